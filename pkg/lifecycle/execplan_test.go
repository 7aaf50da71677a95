package lifecycle

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/plan"
	"sandbox/pkg/seccomp"
	"sandbox/pkg/state"
	"sandbox/pkg/world"
)

// rightful are calls that take a right, or give one up: none of them is made by a process that a container sees.
var rightful = map[uintptr]string{
	unix.SYS_SETNS: "setns", unix.SYS_CHROOT: "chroot", unix.SYS_SETRESUID: "setresuid", unix.SYS_SETRESGID: "setresgid",
	unix.SYS_SETGROUPS: "setgroups", unix.SYS_CAPSET: "capset", unix.SYS_FCHOWN: "fchown", unix.SYS_KEYCTL: "keyctl",
	unix.SYS_CLOSE_RANGE: "close_range", unix.SYS_SECCOMP: "seccomp", unix.SYS_SENDMSG: "sendmsg",
}

// TestExecIsBornWithoutRights: behind the fork into the container's pid namespace comes nothing that a payload may not
// do, and the filter is there before, unless it would refuse what is left to do.
func TestExecIsBornWithoutRights(t *testing.T) {
	deny := func(names ...string) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: names, Action: specs.ActErrno}}}
	}
	for name, c := range map[string]struct {
		profile *specs.LinuxSeccomp
		nnp     bool
		late    bool // the filter
	}{
		"no filter":                   {},
		"with no_new_privs":           {profile: deny("bpf"), nnp: true},
		"without":                     {profile: deny("bpf")},
		"the default profile":         {profile: treeOptions(t, newRuntime(t), "true").Spec.Linux.Seccomp, nnp: true},
		"a filter that is in the way": {profile: deny("setsid"), nnp: true, late: true},
		"also without no_new_privs":   {profile: deny("setsid"), late: true},
	} {
		s := &specs.Spec{Process: &specs.Process{
			Args: []string{"true"}, Cwd: "/", Terminal: true, NoNewPrivileges: c.nnp, User: specs.User{UID: 5, GID: 6},
			Rlimits: []specs.POSIXRlimit{{Type: "RLIMIT_NPROC", Hard: 10, Soft: 10}},
		}}
		s.Linux = &specs.Linux{
			Personality: &specs.LinuxPersonality{Domain: specs.PerLinux32}, MemoryPolicy: &specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: "0"},
		}
		rec := &state.Record{Spec: s, ID: "x"}
		if c.profile != nil {
			f, err := seccomp.Compile(c.profile)
			if err != nil {
				t.Fatal(err)
			}
			f.Pack()
			rec.Seccomp = f
		}
		run := &Runtime{}
		x := &execution{
			run: run, rec: rec, spec: s, ExecOptions: ExecOptions{Attached: true}, plan: plan.New(), where: &world.Entry{Forks: true},
			proc: confine.New(s.Process, confine.Facts{Have: ^confine.Set(0), HardLimit: func(int) uint64 { return 100 }}),
		}
		if err := x.write(); err != nil {
			t.Fatal(name, err)
		}
		born, filtered := -1, -1
		for i, step := range x.plan.Steps {
			switch {
			case step.Op != plan.Call:
			case step.Nr == unix.SYS_CLONE:
				born = i
			case step.Nr == unix.SYS_SECCOMP:
				filtered = i
			}
			if what := rightful[step.Nr]; step.Op == plan.Call && what != "" && born >= 0 && !c.late {
				t.Errorf("%s: step %d, %s, comes behind the birth", name, i, what)
			}
			if step.Op == plan.Call && step.Nr == unix.SYS_PRCTL && step.Args[0].Val == unix.PR_CAPBSET_DROP && born >= 0 {
				t.Errorf("%s: step %d drops a capability behind the birth", name, i)
			}
		}
		if born < 0 || (filtered > born) != c.late || (filtered < 0) != (c.profile == nil) {
			t.Errorf("%s: born at step %d, filtered at %d", name, born, filtered)
		}
	}
}
