package spec

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestNestedProfile: --nested lets the calls of a start through whatever their arguments are, and no others than those.
func TestNestedProfile(t *testing.T) {
	profile := func(nested bool) *specs.LinuxSeccomp {
		b := builder{spec: &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{}}, Linux: &specs.Linux{}}, wish: Wish{Nested: nested}}
		if err := b.defaultSeccomp(); err != nil {
			t.Fatal(err)
		}
		return b.spec.Linux.Seccomp
	}
	rules := func(p *specs.LinuxSeccomp, name string) (all []specs.LinuxSyscall) {
		for _, r := range p.Syscalls {
			if contains(r.Names, name) {
				all = append(all, r)
			}
		}
		return all
	}
	usual, nested := profile(false), profile(true)
	for _, name := range nestedCalls {
		if r := rules(nested, name); len(r) != 1 || r[0].Action != specs.ActAllow || len(r[0].Args) != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := rules(usual, "mount"); len(r) != 0 {
		t.Errorf("mount by default: %+v", r)
	}
	if r := rules(nested, "keyctl"); len(r) != 1 || len(r[0].Args) != 2 {
		t.Errorf("keyctl: %+v", r)
	}
	for _, name := range []string{"bpf", "perf_event_open", "fanotify_init", "quotactl", "open_by_handle_at", "add_key", "request_key", "init_module", "kexec_load", "ptrace"} {
		if u, n := rules(usual, name), rules(nested, name); len(u) != len(n) {
			t.Errorf("%s: %+v by default, %+v with --nested", name, u, n)
		}
	}
}
