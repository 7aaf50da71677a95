package lifecycle

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/idmap"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/spec"
)

// TestFilterIsLast: whatever else a start does, it does before the filter can
// forbid it.
func TestFilterIsLast(t *testing.T) {
	self := kernel.Host{}.Self()
	if self.Seccomp != 0 {
		t.Skip("a filter around us may refuse another one")
	}
	user := &Runtime{Caller: idmap.Caller{UID: 1000, GID: 1000}, Self: kernel.Facts{UID: 1000, EUID: 1000, CapBnd: 1<<41 - 1}}
	agent := filepath.Join(t.TempDir(), "agent") // a file is enough: nobody connects
	if err := os.WriteFile(agent, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		noNewPrivs bool
		action     specs.LinuxSeccompAction
		caps       []string
		want       string
	}{
		{true, specs.ActErrno, nil, "note exec, seccomp, execve"},
		{false, specs.ActErrno, nil, "note exec, capset, seccomp, capset, execve"},
		{false, specs.ActErrno, []string{"CAP_SYS_ADMIN"}, "note exec, seccomp, execve"},
		{true, specs.ActNotify, nil, "note exec, seccomp, put, sendmsg, execve"},
	} {
		s := spec.Default()
		s.Process.Terminal, s.Process.NoNewPrivileges = false, tt.noNewPrivs
		s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: tt.caps, Effective: tt.caps, Permitted: tt.caps}
		spec.ForUser(s, 1000, 1000)
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerPath: agent, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"mkdir"}, Action: tt.action}}}
		p, _, err := user.Plan(Options{ID: "x", Bundle: "/bundle", Spec: s})
		if err != nil {
			t.Fatal(err)
		}
		if got := lastSteps(p); got != tt.want {
			t.Errorf("%+v ends with %s", tt, got)
		}
	}
}

// lastSteps are those from the last word on.
func lastSteps(p *plan.Plan) string {
	var list []string
	for _, s := range slices.Backward(p.Steps) {
		switch {
		case s.Op == plan.Note && s.Text == "exec":
			list = append(list, "note exec")
			slices.Reverse(list)
			return strings.Join(list, ", ")
		case s.Op == plan.Store:
			list = append(list, "put")
		default:
			list = append(list, s.Name)
		}
	}
	return "no word"
}

// TestNoRightToFilter: without a user namespace, CAP_SYS_ADMIN and
// no_new_privs the kernel would refuse the filter, late.
func TestNoRightToFilter(t *testing.T) {
	some := uint64(1) << unix.CAP_CHOWN
	r := &Runtime{Self: kernel.Facts{CapPrm: some, CapEff: some, CapBnd: some}}
	s := spec.Default()
	s.Process.Terminal, s.Process.NoNewPrivileges, s.Process.Rlimits = false, false, nil
	s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	_, _, err := r.Plan(Options{ID: "x", Bundle: "/bundle", Spec: s})
	if err == nil || !strings.Contains(err.Error(), "create namespaces") {
		t.Errorf("what is missing for the namespaces already: %v", err)
	}
	all := *s.Linux
	s.Linux.Namespaces, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths, s.Hostname = nil, nil, nil, ""
	_, _, err = r.Plan(Options{ID: "x", Bundle: "/bundle", Spec: s})
	*s.Linux = all
	if err == nil || !strings.Contains(err.Error(), "linux.seccomp: a filter needs process.noNewPrivileges, or CAP_SYS_ADMIN") {
		t.Errorf("%v", err)
	}
	s.Process.NoNewPrivileges = true
	if _, _, err := r.Plan(Options{ID: "x", Bundle: "/bundle", Spec: s}); err != nil {
		t.Error(err)
	}
}
