package userns

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// TestMemory writes to prepared memory in the child: seen here when the child
// works in ours, unseen when the plan asks for its own.
func TestMemory(t *testing.T) {
	for _, private := range []bool{false, true} {
		p := plan.New()
		p.Private = private
		word := plan.Words(1)
		r := p.Reg("value")
		p.Set(r, plan.C(7))
		p.Put(word, 0, r)
		execPlan(p, "/bin/true")
		c, err := Spawn(Request{Plan: p})
		if got := status(t, c, err); got != 0 {
			t.Fatalf("private %v: status %d", private, got)
		}
		want := uint32(7)
		if private || !ownStack {
			want = 1
		}
		if got := binary.NativeEndian.Uint32(word.Data); got != want {
			t.Errorf("private %v: the word is %d, want %d", private, got, want)
		}
	}
}

// TestBrother enters a pid namespace by a second fork, in both kinds of memory,
// and fails behind it: the error is the brother's and no process is left.
func TestBrother(t *testing.T) {
	for _, private := range []bool{false, true} {
		for _, program := range []string{"/bin/true", "/nowhere/true"} {
			p := plan.New()
			p.Note("once")
			p.Act("a pid namespace for the brother")
			p.Unshare(unix.CLONE_NEWPID)
			launcher := p.Label("launcher")
			p.Fork(0, launcher)
			p.Note(plan.NoteBorn)
			execPlan(p, program)
			p.Here(launcher)
			p.Exit(0)
			p.Private = private
			heard := 0
			c, err := start(t, p, Request{Note: func(string) { heard++ }})
			if heard != 1 {
				t.Errorf("private %v: the steps before the fork were run %d times", private, heard)
			}
			if program == "/bin/true" {
				if got := status(t, c, err); got != 0 {
					t.Errorf("private %v: status %d", private, got)
				}
			} else if !errors.Is(err, unix.ENOENT) {
				t.Errorf("private %v: %v", private, err)
			}
			noChildren(t)
		}
	}
}

// TestInit forks the payload from a process that stays, and goes on with its own
// steps beside it. Such a plan has memory of its own.
func TestInit(t *testing.T) {
	p := plan.New()
	init := p.Label("init")
	p.ForkChild(init)
	execPlan(p, "/bin/sh", "-c", "exit 3")
	p.Here(init)
	ended := plan.Words(0)
	p.Do("wait4", unix.SYS_WAIT4, plan.C(-1), plan.M(ended), plan.C(0), plan.C(0))
	p.Expect(ended, 0, 0xff00, 3<<8, unix.EINVAL).On(unix.EINVAL, init)
	p.CloseFrom(0, 0)
	p.Exit(42)
	c, err := Spawn(Request{New: unix.CLONE_NEWUSER | unix.CLONE_NEWPID, Plan: p, Caller: caller()})
	if got := status(t, c, err); got != 42 || !p.Private {
		t.Fatalf("status %d, private %v", got, p.Private)
	}
	noChildren(t)
}

// TestDumpable finds this process as it was after a child that hid itself.
func TestDumpable(t *testing.T) {
	p := plan.New()
	p.Prctl(unix.PR_SET_DUMPABLE, plan.C(0))
	execPlan(p, "/bin/true")
	c, err := Spawn(Request{Plan: p})
	status(t, c, err)
	if is, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); is != 1 {
		t.Errorf("dumpable is %d, %v", is, err)
	}
}

// TestSignalMask finds the caller's signal mask in the payload, not the one that
// is set around the fork.
func TestSignalMask(t *testing.T) {
	for _, private := range []bool{false, true} {
		p := plan.New()
		p.Private = private
		execPlan(p, "/bin/grep", "-q", "^SigBlk:.0*$", "/proc/self/status")
		c, err := Spawn(Request{Plan: p})
		if got := status(t, c, err); got != 0 {
			t.Errorf("private %v: a signal is blocked", private)
		}
	}
}

// TestHidden: a child that hides itself hides us while it is in our memory, and for good
// where it may still be there when Spawn returns.
func TestHidden(t *testing.T) {
	for _, launched := range []bool{false, true} {
		p := plan.New()
		p.Act("hide")
		p.Prctl(unix.PR_SET_DUMPABLE, plan.C(0))
		launcher := p.Label("launcher")
		if launched {
			p.Fork(0, launcher)
			p.Note(plan.NoteBorn)
		}
		execPlan(p, "/bin/true")
		p.Here(launcher)
		p.Exit(0)
		c, err := Spawn(Request{Plan: p})
		if got := status(t, c, err); got != 0 {
			t.Fatalf("launched %v: status %d", launched, got)
		}
		got, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		if want := launched && ownStack; err != nil || (got == 0) != want {
			t.Errorf("launched %v: dumpable %d, %v", launched, got, err)
		}
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
}
