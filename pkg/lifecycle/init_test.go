package lifecycle

import (
	"testing"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// TestPayloadWaitsForInit has an init that takes its time to give up its rights: the payload finds it without any all the
// same.
func TestPayloadWaitsForInit(t *testing.T) {
	needUserns(t)
	r := newRuntime(t)
	o := treeOptions(t, r, "sh", "-c", `grep -q '^CapPrm:.*[1-9a-f]' /proc/1/status && exit 3; grep -q '^CapBnd:.*[1-9a-f]' /proc/1/status && exit 4
grep -q '^NoNewPrivs:.1' /proc/1/status || exit 5; grep -q '^Seccomp:.2' /proc/1/status || exit 6; exit 7`)
	slow := plan.New()
	slow.Act("take some time")
	slow.Do("nanosleep", unix.SYS_NANOSLEEP, plan.M(plan.Longs(0, 200e6)), plan.C(0))
	for _, before := range []uintptr{unix.SYS_SETRESUID, unix.SYS_CAPSET, unix.SYS_SECCOMP} {
		r.Rewrite = func(p *plan.Plan) {
			at := -1 // the last of its kind is init's
			for i, s := range p.Steps {
				if s.Op == plan.Call && s.Nr == before {
					at = i
				}
			}
			p.Insert(at, slow)
		}
		c, err := r.Run(o)
		if err != nil {
			t.Fatal(err)
		}
		if status, err := c.Wait(); status != 7 || err != nil {
			t.Errorf("slow before call %d: status %d, %v", before, status, err)
		}
		r.Remove(c)
	}
}
