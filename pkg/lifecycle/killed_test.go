package lifecycle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// Fds of the helper, given by the test: the plan writes to one when it has come
// to the step, and reads the other, which ends when the test lets it go on.
const (
	helperArrived = 3
	helperResume  = 4
)

type helperTask struct {
	Root    string
	Step    int
	Create  bool
	Options Options
}

func helperProcess() {
	var task helperTask
	fatal(json.NewDecoder(os.Stdin).Decode(&task))
	r, err := New(task.Root)
	fatal(err)
	unix.CloseOnExec(helperArrived)
	unix.CloseOnExec(helperResume)
	r.Rewrite = func(p *plan.Plan) {
		stop := plan.New()
		stop.Act("stop for the test")
		word := plan.Words(0)
		// Past the step that closes all others there is nobody to tell and
		// nothing to read; the plan then just goes on.
		stop.Do("write", unix.SYS_WRITE, plan.C(helperArrived), plan.M(word), plan.C(1)).Ignore()
		stop.Do("read", unix.SYS_READ, plan.C(helperResume), plan.M(word), plan.C(1)).Ignore()
		p.Insert(task.Step, stop)
	}
	if task.Create {
		_, err = r.Create(task.Options)
	} else {
		var c *Container
		if c, err = r.Run(task.Options); err == nil {
			_, err = c.Wait()
		}
	}
	fatal(err)
}

// TestKilledAnywhere kills the runtime between any two steps of a start. What is
// left must be dead or die, and delete --force must remove it.
func TestKilledAnywhere(t *testing.T) {
	needUserns(t)
	if testing.Short() {
		t.Skip("SKIP-PROBE short: hundreds of starts")
	}
	r := newRuntime(t)
	program := namedProgram(t)
	for _, create := range []bool{false, true} {
		o := treeOptions(t, r, "sleep", "1000")
		o.Attached, o.AutoRemove, o.Init = !create, false, !create
		whole, _, err := r.Plan(o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole.Steps {
			killedAt(t, r, program, helperTask{Root: r.Root.Path, Step: i, Create: create, Options: o})
		}
	}
}

// namedProgram is this program by a name that no other process has: a child keeps the
// name of its parent, and nothing else that could be looked for, until it is the payload.
func namedProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), fmt.Sprintf("killed-%d", os.Getpid()))
	if err := os.Link(os.Args[0], path); err != nil {
		data, err := os.ReadFile(os.Args[0])
		if err == nil {
			err = os.WriteFile(path, data, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func killedAt(t *testing.T, r *Runtime, program string, task helperTask) {
	t.Helper()
	arrived, arrivedChild := pipe(t)
	resumeChild, resume := pipe(t)
	b, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "LIFECYCLE_HELPER=1")
	cmd.Stdin, cmd.ExtraFiles = bytes.NewReader(b), []*os.File{arrivedChild, resumeChild}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	arrivedChild.Close()
	resumeChild.Close()
	// Steps that a good start does not take are never arrived at; then the kill
	// hits a running or created container.
	_ = arrived.SetReadDeadline(time.Now().Add(60 * time.Millisecond))
	_, _ = arrived.Read(make([]byte, 1))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	resume.Close()
	arrived.Close()
	if err := r.Delete("x", true); err != nil {
		t.Errorf("step %d, create %v: delete --force: %v", task.Step, task.Create, err)
	}
	gone(t, filepath.Base(program))
	nothingLeft(t, r)
}

// gone waits until no process has that name, but for the dead that somebody has to bury.
func gone(t *testing.T, name string) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		left := processesOf(name)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("processes left: %v", left)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func processesOf(name string) (left []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range all {
		b, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(b), "("+name+") ") && !strings.Contains(string(b), "("+name+") Z") {
			left = append(left, f)
		}
	}
	return left
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil && !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
	return r, w
}
