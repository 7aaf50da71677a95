package seccomp

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

func TestOnly(t *testing.T) {
	f, err := Only(unix.SYS_WAIT4, unix.SYS_WRITE, unix.SYS_EXIT_GROUP)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := archesOf(nil)
	if err != nil {
		t.Fatal(err)
	}
	refused := unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	for _, m := range arches {
		for nr := uint32(0); nr < 1024; nr++ {
			for _, bit := range []uint32{0, x32Bit} {
				want := refused
				if m.audit == ours[0].audit && bit == 0 && (nr == unix.SYS_WAIT4 || nr == unix.SYS_WRITE || nr == unix.SYS_EXIT_GROUP) {
					want = unix.SECCOMP_RET_ALLOW
				}
				got, _, err := machine(f.Program, &data{nr: nr | bit, arch: m.audit}, m.big)
				if err != nil || got != want {
					t.Fatalf("%s: call %#x: %#x, %v, want %#x", m.name, nr|bit, got, err, want)
				}
			}
		}
	}
}

// TestLets asks filters about the rest of a plan.
func TestLets(t *testing.T) {
	p := plan.New()
	p.Act("the rest")
	fd := p.Do("openat", unix.SYS_OPENAT, plan.Cwd(), plan.S("/"), plan.C(0), plan.C(0)).To("fd")
	p.Do("ioctl", unix.SYS_IOCTL, plan.R(fd), plan.C(0x540e), plan.C(0))
	p.Gate("ready")
	names := func(action specs.LinuxSeccompAction, names ...string) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: names, Action: action}
	}
	all := []string{"openat", "ioctl", "sendto", "read", "sendmsg", "exit_group"}
	for name, c := range map[string]struct {
		s    *specs.LinuxSeccomp
		lets bool
	}{
		"all":                  {&specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, true},
		"logged":               {&specs.LinuxSeccomp{DefaultAction: specs.ActLog}, true},
		"what is needed":       {&specs.LinuxSeccomp{DefaultAction: deny, Syscalls: []specs.LinuxSyscall{names(specs.ActAllow, all...)}}, true},
		"the other way to say": {&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{names(deny, "sendmsg")}}, true},
		"no way to say":        {&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{names(deny, "sendmsg", "writev")}}, false},
		"no gate":              {&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{names(deny, "sendto")}}, false},
		"no call":              {&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{names(deny, "ioctl")}}, false},
		"traced":               {&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{names(specs.ActTrace, "ioctl")}}, false},
		"asked about": {&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerPath: "/x", Syscalls: []specs.LinuxSyscall{
			names(specs.ActNotify, "ioctl")}}, false},
		"another argument": {&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
			given(names(deny, "ioctl"), arg(1, specs.OpEqualTo, 0x5412))}}, true},
		"the argument": {&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
			given(names(deny, "ioctl"), arg(1, specs.OpEqualTo, 0x540e))}}, false},
		"an argument that is not known yet": {&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
			given(names(deny, "ioctl"), arg(0, specs.OpGreaterThan, 1000))}}, false},
	} {
		f, err := Compile(c.s)
		if err != nil {
			t.Fatal(name, err)
		}
		if got := f.Lets(p.Steps); got != c.lets {
			t.Errorf("%s: %v", name, got)
		}
	}
}
