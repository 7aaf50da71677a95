package userns

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/idmap"
	"sandbox/pkg/interrupt"
	"sandbox/pkg/proc"
)

// How often a child that says nothing is looked at, and how many times in a row it has to be found stopped: for so long
// it is when all of us are let go on one after the other.
const (
	lookEvery = 100 * time.Millisecond
	lookTimes = 10
)

// errHalted is a child that somebody else has stopped, such as a payload in whose pid namespace it is: it would never get
// to its program, and we would wait for ever.
var errHalted = errors.New("the new process was stopped before it could start")

// await returns when the child has something to say.
func (b *birth) await() error {
	return await(b.Signals, b.sock, b.halted, b.Over)
}

func await(s *interrupt.Signals, fd int, halted, over func() bool) error {
	for found := 0; ; {
		ready, err := interrupt.Readable(s, fd, lookEvery)
		if ready || err != nil {
			return err
		}
		if over != nil && over() {
			return ErrOver
		}
		if !halted() {
			found = 0
		} else if found++; found == lookTimes {
			return errHalted
		}
	}
}

// halted says whether the child, or the payload that it has forked, is stopped. One in our process group may have been
// stopped by ^Z as we were, who keep that for the payload: it goes on.
func (b *birth) halted() bool {
	if b.child.Payload != b.child.Pid && looksStopped(b.child.Payload) {
		return true
	}
	const stopped = 5 // CLD_STOPPED of siginfo(7)
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, b.child.Pid, &info, unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil || info.Code != stopped {
		return false
	}
	if group, err := unix.Getpgid(b.child.Pid); err == nil && group == unix.Getpgrp() {
		_ = unix.Kill(b.child.Pid, unix.SIGCONT)
		return false
	}
	return true
}

// looksStopped is what /proc says; of a process that is hidden there, nothing.
func looksStopped(pid int) bool {
	s, err := proc.Look(pid)
	return err == nil && s.Stopped()
}

// killedError is a child that somebody else has killed.
type killedError struct{ signal unix.Signal }

func (e *killedError) Error() string {
	return "the new process was killed by " + unix.SignalName(e.signal) + " before it could start"
}

// killedBy is the signal that has ended the child, or who was to help it; 0 for any other end.
func killedBy(err error) unix.Signal {
	var child *killedError
	var helper *idmap.HelperError
	switch {
	case errors.As(err, &child):
		return child.signal
	case errors.As(err, &helper) && helper.Status.Signaled():
		return helper.Status.Signal()
	}
	return 0
}
