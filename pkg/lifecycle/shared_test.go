package lifecycle

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/idmap"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// TestSharedMemoryIsClosed finds no plan that works in our memory and lets others look into it, leaves a process in the
// container that has it, begins among processes of others, or would give away more than an ordinary user's rights.
func TestSharedMemoryIsClosed(t *testing.T) {
	own := []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}}
	user := &Runtime{Caller: idmap.Caller{UID: 1000}}
	for name, c := range map[string]struct {
		run        *Runtime
		init       bool
		hooks      *specs.Hooks
		namespaces []specs.LinuxNamespace
		private    bool
	}{
		"a user's":               {run: user, namespaces: own},
		"with an init":           {run: user, namespaces: own, init: true, private: true},
		"entered before its end": {run: user, namespaces: own, hooks: &specs.Hooks{StartContainer: []specs.Hook{{Path: "/bin/true"}}}, private: true},
		"seen by others":         {run: user, namespaces: own[:1], private: true},
		"root's":                 {run: &Runtime{}, namespaces: own, private: true},
		"with capabilities":      {run: &Runtime{Caller: user.Caller, Self: kernel.Facts{CapPrm: 1}}, namespaces: own, private: true},
	} {
		s := &specs.Spec{
			Root: &specs.Root{Path: "rootfs"}, Process: &specs.Process{Args: []string{"/bin/true"}, Cwd: "/"}, Hooks: c.hooks,
			Linux: &specs.Linux{Namespaces: c.namespaces},
		}
		c.run.Tell = func(string) {}
		p, _, err := c.run.Plan(Options{ID: "x", Bundle: newBundle(t), Spec: s, Init: c.init, Attached: true})
		if err != nil {
			t.Fatal(err)
		}
		if p.Private != c.private {
			t.Errorf("%s: private is %v", name, p.Private)
		}
		for i, step := range p.Steps {
			if !p.Private && step.Op == plan.Call && step.Nr == unix.SYS_PRCTL && step.Args[0].Val == unix.PR_SET_DUMPABLE && step.Args[1].Val != 0 {
				t.Errorf("%s: step %d opens our memory", name, i)
			}
		}
	}
}
