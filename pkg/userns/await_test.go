package userns

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/interrupt"
	"sandbox/pkg/plan"
)

// waiting is a plan that begins a session, or stays in ours, and has a gate before its exec.
func waiting(own bool) *plan.Plan {
	p := plan.New()
	if own {
		p.Act("begin a session")
		p.Do("setsid", unix.SYS_SETSID)
	}
	p.Act("wait")
	p.Gate("ready")
	execPlan(p, "/bin/true")
	return p
}

// TestHalted: a child that somebody stops is an error and nothing is left of it; one that ^Z stopped with us goes on.
func TestHalted(t *testing.T) {
	for _, own := range []bool{true, false} {
		c, err := Spawn(Request{Plan: waiting(own), Gate: func(c *Child, _ string) error { return unix.Kill(c.Pid, unix.SIGSTOP) }})
		if own && !errors.Is(err, errHalted) {
			t.Errorf("in a session of its own: %v", err)
		}
		if !own && status(t, c, err) != 0 {
			t.Error("in our session: it did not run")
		}
		noChildren(t)
	}
}

// TestSilentBrother: one that is stopped as soon as it is born, and again whenever it goes on, has told nobody its number. It
// ends all the same, when we lose patience and when a signal comes.
func TestSilentBrother(t *testing.T) {
	s, err := interrupt.Catch()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	time.Sleep(50 * time.Millisecond)
	for _, signal := range []bool{false, true} {
		for _, private := range []bool{false, true} {
			p := plan.New()
			p.Act("be born")
			launcher, again := p.Label("launcher"), p.Label("again")
			p.Fork(0, launcher)
			me := p.Do("getpid", unix.SYS_GETPID).To("me")
			p.Here(again)
			p.Do("kill", unix.SYS_KILL, plan.R(me), plan.C(int(unix.SIGSTOP)))
			p.Goto(again)
			p.Note(plan.NoteBorn)
			execPlan(p, "/bin/true")
			p.Here(launcher)
			p.Exit(0)
			p.Private = private
			if signal {
				time.AfterFunc(50*time.Millisecond, func() { _ = unix.Kill(os.Getpid(), unix.SIGTERM) })
			}
			_, err := Spawn(Request{Plan: p, Signals: s})
			var got *interrupt.Error
			if is := errors.As(err, &got); is != signal || !is && !errors.Is(err, errHalted) {
				t.Errorf("signal %v, private %v: %v", signal, private, err)
			}
			noChildren(t)
		}
	}
}

// TestInterrupted ends a start in which the child has nothing to say, and one whose gate takes long.
func TestInterrupted(t *testing.T) {
	s, err := interrupt.Catch()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	time.Sleep(50 * time.Millisecond)
	term := func() { _ = unix.Kill(os.Getpid(), unix.SIGTERM) }
	var got *interrupt.Error
	p := waiting(true)
	stuck := plan.New()
	stuck.Act("stuck")
	stuck.Do("ppoll", unix.SYS_PPOLL, plan.C(0), plan.C(0), plan.C(0), plan.C(0), plan.C(0))
	p.Insert(len(p.Steps)-2, stuck)
	if _, err = Spawn(Request{Plan: p, Signals: s, Gate: func(*Child, string) error { time.AfterFunc(50*time.Millisecond, term); return nil }}); !errors.As(err, &got) {
		t.Errorf("stuck: %v", err)
	}
	noChildren(t)
	_, err = Spawn(Request{Plan: waiting(true), Signals: s, Gate: func(*Child, string) error { return interrupt.Do(s, func() error { term(); select {} }) }})
	if !errors.As(err, &got) {
		t.Errorf("at a gate: %v", err)
	}
	noChildren(t)
	// What a terminal sends to all of us may reach the child first.
	_, err = Spawn(Request{Plan: waiting(true), Signals: s, Gate: func(c *Child, _ string) error {
		time.AfterFunc(10*time.Millisecond, term)
		return unix.Kill(c.Pid, unix.SIGTERM)
	}})
	if !errors.As(err, &got) {
		t.Errorf("both: %v", err)
	}
	noChildren(t)
}

// TestOver: a child that says nothing, and has nothing to become a part of any more, is an error, and nothing is left of it.
func TestOver(t *testing.T) {
	p := waiting(true)
	stuck := plan.New()
	stuck.Act("stuck")
	stuck.Do("ppoll", unix.SYS_PPOLL, plan.C(0), plan.C(0), plan.C(0), plan.C(0), plan.C(0))
	p.Insert(len(p.Steps)-2, stuck)
	asked := 0
	_, err := Spawn(Request{Plan: p, Over: func() bool { asked++; return asked > 1 }})
	if !errors.Is(err, ErrOver) {
		t.Errorf("got %v", err)
	}
	noChildren(t)
}
