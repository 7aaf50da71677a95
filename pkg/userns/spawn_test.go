package userns

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sandbox/pkg/idmap"
	"sandbox/pkg/plan"
)

// execPlan ends a plan with the exec of a program.
func execPlan(p *plan.Plan, argv ...string) {
	p.Act("run %s", argv[0])
	p.Note(plan.NoteExec)
	p.Do("execve", unix.SYS_EXECVE, plan.S(argv[0]), plan.M(plan.CStrings(argv)), plan.M(plan.CStrings(nil)))
}

func caller() idmap.Caller {
	return idmap.Caller{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
}

func TestSpawnExec(t *testing.T) {
	p := plan.New()
	p.Act("wait for the id map")
	p.Gate(plan.GateMapped)
	execPlan(p, "/bin/sh", "-c", "exit 7")
	c := caller()
	child, err := Spawn(Request{
		New:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		Plan: p, IDs: idmap.Single(0, 0, c), Caller: c,
	})
	if err != nil {
		t.Fatal(err)
	}
	status, err := child.Wait()
	if err != nil || status.ExitStatus() != 7 {
		t.Fatalf("status %v, %v", status, err)
	}
}

// start spawns a plan in a new user namespace that waits for its map first.
func start(t *testing.T, p *plan.Plan, r Request) (*Child, error) {
	t.Helper()
	wait := plan.New()
	wait.Act("wait for the id map")
	wait.Gate(plan.GateMapped)
	p.Insert(0, wait)
	r.Plan, r.Caller = p, caller()
	r.New |= unix.CLONE_NEWUSER
	r.IDs = idmap.Single(0, 0, r.Caller)
	return Spawn(r)
}

func status(t *testing.T, c *Child, err error) int {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return s.ExitStatus()
}

func noChildren(t *testing.T) {
	t.Helper()
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("a child is left: %d, %v", pid, err)
	}
}

// TestFallback takes the ways of a plan: an errno's handler, any errno's, the
// branch on a result, memory written from a register and compared.
func TestFallback(t *testing.T) {
	p := plan.New()
	p.Act("try")
	other, last, bad := p.Label("other"), p.Label("last"), p.Label("bad")
	p.Open("/nothing/here", unix.O_PATH).On(unix.EACCES, bad).On(unix.ENOENT, other)
	p.Goto(bad)
	p.Here(other)
	p.Fail(unix.EXDEV).On(unix.EINVAL, bad).On(plan.AnyErrno, last)
	p.Here(bad)
	execPlan(p, "/bin/false")
	p.Here(last)
	word, r := plan.Words(0, 7), p.Reg("seven")
	p.Set(r, plan.C(7)).IfZero(bad)
	p.Put(word, 0, r)
	p.Expect(word, 0, ^uint32(0), 7, unix.EINVAL)
	p.Expect(word, 4, 0x3, 3, unix.EINVAL)
	execPlan(p, "/bin/sh", "-c", "exit 5")
	c, err := start(t, p, Request{})
	if got := status(t, c, err); got != 5 {
		t.Errorf("status %d", got)
	}
}

// TestSame: what the parent has looked at, and nothing that has come to its name since.
func TestSame(t *testing.T) {
	path := t.TempDir() + "/file"
	try := func(want error) {
		t.Helper()
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			t.Fatal(err)
		}
		if want != nil {
			if err := errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		p := plan.New()
		p.Act("find it")
		p.Same(p.Open(path, unix.O_PATH).To("file"), path, st.Dev, st.Ino)
		execPlan(p, "/bin/true")
		c, err := start(t, p, Request{})
		if want == nil {
			if got := status(t, c, err); got != 0 {
				t.Errorf("status %d", got)
			}
		} else if !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	try(nil)
	try(unix.ESTALE)
	noChildren(t)
}

func TestFailureNamesItsStep(t *testing.T) {
	p := plan.New()
	p.Act("mount proc on %s", "/proc")
	p.Fsopen("no-such-filesystem")
	_, err := start(t, p, Request{New: unix.CLONE_NEWNS})
	var step *Error
	if !errors.As(err, &step) || step.Step != 1 || step.Call != "fsopen" || !errors.Is(err, unix.ENODEV) {
		t.Fatalf("error %#v", err)
	}
	if want := "mount proc on /proc (step 1, fsopen): no such device"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	noChildren(t)
}

// TestGates hears gates and notes in order and ends the child when one says so.
func TestGates(t *testing.T) {
	build := func() *plan.Plan {
		p := plan.New()
		p.Act("talk")
		p.Gate("one")
		p.Note("note")
		p.Gate("two")
		execPlan(p, "/bin/true")
		return p
	}
	var heard []string
	r := Request{
		Gate: func(_ *Child, name string) error { heard = append(heard, name); return nil },
		Note: func(name string) { heard = append(heard, name) },
	}
	c, err := start(t, build(), r)
	if got := status(t, c, err); got != 0 || strings.Join(heard, " ") != "one note two" {
		t.Errorf("status %d, heard %v", got, heard)
	}
	stop := errors.New("stop")
	r.Gate = func(_ *Child, name string) error {
		if name == "two" {
			return stop
		}
		return nil
	}
	if _, err := start(t, build(), r); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	noChildren(t)
}

// TestKilledChild: a child that is killed before its exec is no success.
func TestKilledChild(t *testing.T) {
	p := plan.New()
	p.Act("wait")
	p.Gate("kill me")
	execPlan(p, "/bin/true")
	_, err := start(t, p, Request{Gate: func(c *Child, _ string) error { return unix.Kill(c.Pid, unix.SIGKILL) }})
	if err == nil || !strings.Contains(err.Error(), "SIGKILL") {
		t.Errorf("error %v", err)
	}
	noChildren(t)
}

// TestJoin enters the namespaces of another child through its pidfd and is born
// in its pid namespace.
func TestJoin(t *testing.T) {
	p := plan.New()
	p.Act("wait")
	p.Gate("up")
	execPlan(p, "/bin/sleep", "1000")
	host, err := start(t, p, Request{New: unix.CLONE_NEWUTS | unix.CLONE_NEWPID})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = unix.Kill(host.Pid, unix.SIGKILL)
		_, _ = host.Wait()
		noChildren(t)
	}()
	want, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/uts", host.Pid))
	if err != nil {
		t.Fatal(err)
	}
	q := plan.New()
	q.Act("join")
	q.Setns(plan.C(int(host.PidFD.Fd())), unix.CLONE_NEWUSER|unix.CLONE_NEWUTS|unix.CLONE_NEWPID)
	first := q.Label("first")
	q.Fork(0, first)
	q.Note(plan.NoteBorn)
	execPlan(q, "/bin/sh", "-c", `test "$(readlink /proc/self/ns/uts)" = "$0" && test $$ -gt 1 && test $$ -lt 100 && exit 9`, want)
	q.Here(first)
	q.Exit(0)
	born := 0
	c, err := Spawn(Request{Plan: q, Born: func(pid int) error { born = pid; return nil }})
	if got := status(t, c, err); got != 9 || born != c.Pid {
		t.Errorf("status %d, born %d, pid %d", got, born, c.Pid)
	}
}

func TestRefusedClone(t *testing.T) {
	p := plan.New()
	execPlan(p, "/bin/true")
	_, err := Spawn(Request{Plan: p, New: unix.CLONE_NEWUSER | unix.CLONE_FS})
	var birth *BirthError
	if !errors.As(err, &birth) || !errors.Is(err, unix.EINVAL) {
		t.Errorf("error %v", err)
	}
	noChildren(t)
}
