package lifecycle

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// TestSharedMemoryIsClosed finds no plan that works in our memory and lets others
// look into it, or leaves a process in the container that has it.
func TestSharedMemoryIsClosed(t *testing.T) {
	for _, init := range []bool{false, true} {
		for _, hooks := range []*specs.Hooks{nil, {StartContainer: []specs.Hook{{Path: "/bin/true"}}}} {
			s := &specs.Spec{
				Root: &specs.Root{Path: "rootfs"}, Process: &specs.Process{Args: []string{"/bin/true"}, Cwd: "/"}, Hooks: hooks,
				Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}}},
			}
			r := &Runtime{Self: kernel.Facts{CapPrm: 1<<41 - 1, CapEff: 1<<41 - 1, CapBnd: 1<<41 - 1}}
			p, err := r.Plan(Options{ID: "x", Bundle: newBundle(t), Spec: s, Init: init, Attached: true})
			if err != nil {
				t.Fatal(err)
			}
			if (init || hooks != nil) != p.Private {
				t.Errorf("init %v, hooks %v: private is %v", init, hooks != nil, p.Private)
			}
			for i, step := range p.Steps {
				if !p.Private && step.Op == plan.Call && step.Nr == unix.SYS_PRCTL && step.Args[0].Val == unix.PR_SET_DUMPABLE && step.Args[1].Val != 0 {
					t.Errorf("init %v, hooks %v: step %d opens our memory", init, hooks != nil, i)
				}
			}
		}
	}
}
