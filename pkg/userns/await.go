package userns

import (
	"cmp"
	"errors"
	"os"
	"strconv"
	"strings"
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
// stopped by ^Z as we were, who keep that for the payload: it is let go on, and found again where it was somebody else.
func (b *birth) halted() bool {
	if b.child.Payload != b.child.Pid && looksStopped(b.child.Payload) {
		return true
	}
	pid := b.child.Pid
	if b.silent() {
		b.brother = b.stoppedBrother()
		pid = cmp.Or(b.brother, pid)
	}
	if !stopped(pid) {
		return false
	}
	if ourGroup(pid) {
		_ = unix.Kill(pid, unix.SIGCONT)
	}
	return true
}

// stopped says whether a child of ours is.
func stopped(pid int) bool {
	const is = 5 // CLD_STOPPED of siginfo(7)
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Code == is
}

func ourGroup(pid int) bool {
	group, err := unix.Getpgid(pid)
	return err == nil && group == unix.Getpgrp()
}

// silent says whether the child is to be the brother of the process that we have forked, and has not told its number: it may
// have been stopped in the same moment in which it was born.
func (b *birth) silent() bool { return b.forks() && b.child.Pid == b.first }

// search looks for such a brother, so that it can be ended. One that is not stopped speaks, or ends by itself when we are not
// there any more.
func (b *birth) search() {
	for end := time.Now().Add(lookEvery); b.silent() && time.Now().Before(end); {
		if b.brother = b.stoppedBrother(); b.brother != 0 {
			return
		}
		ready, err := interrupt.Readable(nil, b.sock, lookEvery/20)
		if err != nil {
			return
		}
		if !ready {
			continue
		}
		if p, err := receive(b.sock); err != nil || p.kind != packetNote {
			return
		} else if p.pid != b.first && unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) == nil {
			b.brother = p.pid // our child, whoever has its socket
			return
		}
	}
}

// stoppedBrother is a stopped child of ours that has not left our process group, 0 for none.
func (b *birth) stoppedBrother() int {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return 0
	}
	for _, t := range threads {
		list, _ := proc.ReadFile("/proc/self/task/" + t.Name() + "/children") // proc_pid_task(5); CONFIG_PROC_CHILDREN
		for _, word := range strings.Fields(string(list)) {
			pid, err := strconv.Atoi(word)
			if err == nil && pid != b.first && ourGroup(pid) && stopped(pid) {
				return pid
			}
		}
	}
	return 0
}

// looksStopped is what /proc says; of a process that is hidden there, nothing.
func looksStopped(pid int) bool {
	s, err := proc.Look(pid)
	return err == nil && s.Stopped()
}

// given says whether it was us who gave up waiting: the child may be there, and well.
func given(err error) bool {
	var interrupted *interrupt.Error
	return errors.As(err, &interrupted) || errors.Is(err, errHalted) || errors.Is(err, ErrOver)
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
