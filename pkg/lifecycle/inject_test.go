package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/spec"
	"sandbox/pkg/userns"
)

// newRuntime is a runtime with a state directory of its own.
func newRuntime(t *testing.T) *Runtime {
	t.Helper()
	r, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// treeOptions are those of `sandbox run -- args`.
func treeOptions(t *testing.T, r *Runtime, args ...string) Options {
	t.Helper()
	ids, contract, err := r.ChooseIDs("", true)
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := spec.Wish{Tree: true, Args: args, Cow: true}.Spec(spec.Caller{
		UID: r.Caller.UID, GID: r.Caller.GID, Groups: r.Caller.Groups, Cwd: t.TempDir(), Env: []string{"PATH=/usr/bin"},
		Nested: !r.Self.InitialUserns(),
	}, ids)
	if err != nil {
		t.Fatal(err)
	}
	return Options{ID: "x", Bundle: "/", Spec: s, Contract: contract, Attached: true, AutoRemove: true, Init: true}
}

// needUserns skips on a host that cannot do what is tested, and fails where it
// should.
func needUserns(t *testing.T) {
	t.Helper()
	for _, f := range (kernel.Host{}).Check(os.Getenv) {
		if f.Feature == "userns" && f.State == kernel.Missing {
			t.Skipf("SKIP-PROBE userns: %s", f.Detail)
		}
	}
}

// failing is what stands in for a step that ends with an errno.
func failing(s *plan.Step, e unix.Errno) {
	p := plan.New()
	bad := p.Fail(e)
	bad.Act, bad.What, bad.Handlers, bad.Name = s.Act, s.What, s.Handlers, s.Name
	*s = *bad
}

// succeeding is what stands in for a step that would fail on this host: it
// leaves an fd of a directory, in which root may make what comes next.
func succeeding(t *testing.T, s *plan.Step) {
	p := plan.New()
	good := p.Open(t.TempDir(), unix.O_PATH)
	good.Act, good.Out = s.Act, s.Out
	*s = *good
}

// TestEveryStepFails makes every step of the default plan fail, one at a time,
// also those that only run after another one has failed. Each must give the
// error that names it or be a step whose failure is expected; and nothing may be
// left: no child, no mount, no directory.
func TestEveryStepFails(t *testing.T) {
	needUserns(t)
	r := newRuntime(t)
	o := treeOptions(t, r, "true")
	whole := planOf(t, r, o)
	before := mounts(t)
	covered := make([]bool, len(whole.Steps))
	for i, s := range whole.Steps {
		if s.Op != plan.Call && s.Op != plan.Check || s.Name == "exit_group" {
			covered[i] = true // cannot fail
			continue
		}
		covered[i] = breaks(t, r, o, map[int]unix.Errno{i: unix.EXDEV})
	}
	for i := range covered {
		covered[i] = covered[i] || behind(t, r, o, whole, i)
		if !covered[i] {
			t.Errorf("no run reaches step %d: %s: %s", i, whole.Steps[i].Act, whole.Lines()[i].Do)
		}
	}
	if after := mounts(t); after != before {
		t.Errorf("mounts changed from\n%s\nto\n%s", before, after)
	}
}

// planOf is the plan that a run has, and checks that Plan shows the same.
func planOf(t *testing.T, r *Runtime, o Options) (ran *plan.Plan) {
	t.Helper()
	r.Rewrite = func(p *plan.Plan) { ran = p }
	defer func() { r.Rewrite = nil }()
	c, err := r.Run(o)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Wait()
	r.Remove(c)
	shown, _, err := r.Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	if len(shown.Steps) != len(ran.Steps) {
		t.Fatalf("the plan shows %d steps, a run has %d: numbers in errors would be wrong", len(shown.Steps), len(ran.Steps))
	}
	for i, s := range ran.Steps {
		if have := shown.Steps[i]; have.Act != s.Act || have.Name != s.Name || have.Op != s.Op {
			t.Errorf("step %d: the plan shows %q %s, a run does %q %s", i, have.Act, have.Name, s.Act, s.Name)
		}
	}
	return ran
}

// TestPlanShowsRun: what a run does for its network and for who waits until it is ready is in the plan, which makes nothing.
func TestPlanShowsRun(t *testing.T) {
	needUserns(t)
	r := newRuntime(t)
	sink := filepath.Join(t.TempDir(), "sink")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: sink}); err != nil {
		t.Fatal(err)
	}
	options := func() Options {
		o := treeOptions(t, r, "true")
		o.Paths, o.Notify, o.Network = handle.Set{}, sink, &Network{Mode: "none"}
		o.Spec.Hostname = "here"
		return o
	}
	shown, contract, err := r.Plan(options())
	if err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, r)
	if len(contract) == 0 {
		t.Error("a plan without a contract")
	}
	var ran *plan.Plan
	r.Rewrite = func(p *plan.Plan) { ran = p }
	defer func() { r.Rewrite = nil }()
	c, err := r.Run(options())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Wait()
	r.Remove(c)
	var bound []string
	for i := range max(len(ran.Steps), len(shown.Steps)) {
		if i >= len(ran.Steps) || i >= len(shown.Steps) || ran.Steps[i].Name != shown.Steps[i].Name {
			t.Fatalf("they differ from step %d on, of %d and %d", i, len(shown.Steps), len(ran.Steps))
		}
		if act := shown.Steps[i].Act; strings.HasPrefix(act, "attach /etc/") || strings.HasPrefix(act, "attach /run/notify") {
			bound = append(bound, strings.TrimPrefix(act, "attach "))
		}
	}
	if got := strings.Join(slices.Compact(bound), " "); got != "/run/notify /etc/hosts /etc/hostname /etc/resolv.conf" {
		t.Errorf("bound: %s", got)
	}
}

// behind reaches a step that only runs after an earlier one ended otherwise
// than it does here (a file that this host does not have, a ladder's next
// rung), and makes it fail too. Branches are short: a window before the step
// is enough, with what has the same words elsewhere.
func behind(t *testing.T, r *Runtime, o Options, whole *plan.Plan, i int) bool {
	for j := range i {
		s := whole.Steps[j]
		if j < i-18 && s.Act != whole.Steps[i].Act {
			continue
		}
		for _, h := range s.Handlers {
			if whole.Target(h.To, j) <= j {
				continue // it tries again, here for ever
			}
			e := h.Errno
			if e == plan.AnyErrno {
				e = unix.EXDEV
			}
			if breaks(t, r, o, map[int]unix.Errno{j: e, i: unix.EXDEV}) {
				return true
			}
			for k := j + 1; k < i; k++ {
				if whole.Steps[k].Out != 0 && breaks(t, r, o, map[int]unix.Errno{j: e, k: 0, i: unix.EXDEV}) {
					return true
				}
			}
		}
		if s.Out != 0 && len(s.Handlers) > 0 && breaks(t, r, o, map[int]unix.Errno{j: 0, i: unix.EXDEV}) {
			return true
		}
	}
	return false
}

// breaks runs with failing steps (and with errno 0 succeeding ones) and says
// whether the last of them was reached: its failure was reported, or handled by
// a handler that expects it.
func breaks(t *testing.T, r *Runtime, o Options, fail map[int]unix.Errno) (reached bool) {
	t.Helper()
	last, expected := -1, false
	r.Rewrite = func(p *plan.Plan) {
		for i, e := range fail {
			if i > last {
				last = i
			}
			if e == 0 {
				succeeding(t, p.Steps[i])
			} else {
				failing(p.Steps[i], e)
			}
		}
		for _, h := range p.Steps[last].Handlers {
			expected = expected || h.Errno == plan.AnyErrno || h.Errno == unix.EXDEV
		}
	}
	defer func() { r.Rewrite = nil }()
	c, err := r.Run(o)
	status := 0
	if err == nil {
		status, _ = c.Wait()
		r.Remove(c)
	}
	nothingLeft(t, r)
	var step *userns.Error
	var program *ExecError
	switch {
	case errors.As(err, &step):
		if step.Act == "" || !strings.Contains(err.Error(), "(step ") {
			t.Errorf("step %d: error %q does not name it", last, err)
		}
		return step.Step == last
	case errors.As(err, &program):
		return true
	case err != nil && strings.Contains(err.Error(), "before it could start"):
		return true // init's own steps, behind the one that closes the way to tell
	case err != nil:
		t.Errorf("step %d: unexpected error %v", last, err)
	case status == 125:
		return true // init's own steps: there is nobody to tell but by the exit status
	case status != 0:
		t.Errorf("step %d: status %d", last, status)
	}
	return expected
}

func nothingLeft(t *testing.T, r *Runtime) {
	t.Helper()
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Fatalf("a child is left: %d, %v", pid, err)
	}
	left, err := os.ReadDir(r.Root.Path)
	if err != nil || len(left) != 0 {
		t.Fatalf("left in the state directory: %v, %v", left, err)
	}
}

func mounts(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The helper process of TestKilledAnywhere: it runs or creates a container
// whose plan stops before one step until told to go on.
func TestMain(m *testing.M) {
	if os.Getenv("LIFECYCLE_HELPER") != "" {
		helperProcess()
		return
	}
	os.Exit(m.Run())
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "helper: "+err.Error())
		os.Exit(1)
	}
}
