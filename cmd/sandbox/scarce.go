package main

import (
	"errors"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/lifecycle"
)

// What a start takes besides what is there, in the usual case: tests/hosts.txtar looks whether it still is so.
const (
	filesOfExec    = 8
	filesOfBundle  = 11
	filesOfTyped   = 8  // to look at the directory
	filesOfStart   = 13 // then, when it is known what is shared and what is hidden
	threadsOfStart = 6
)

// files is how many files a form takes.
func (f form) files() int {
	if f == formBundle {
		return filesOfBundle
	}
	return filesOfTyped
}

// scarce is for limits that would end this program in the midst of a start: it says so at once. What is left to chance gets
// no trace of all that the Go runtime did, which hides its one line about the limit.
func scarce() error {
	var space unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &space) == nil && space.Cur < 4<<30 {
		debug.SetTraceback("none")
	}
	var processes unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NPROC, &processes) == nil && processes.Cur < 256 {
		debug.SetTraceback("none")
	}
	return kernel.Host{}.ProcessesLeft(threadsOfStart)
}

// limited is an error with the limit that it comes from, where it is one of open files.
func limited(err error) error {
	var known *kernel.Refusal
	if errors.As(err, &known) || !errors.Is(err, unix.EMFILE) && !errors.Is(err, unix.ENFILE) {
		return err
	}
	return kernel.Host{}.Because(kernel.Op{Do: kernel.OpenFile}, err)
}

// filtered is an error with the filter around us that it comes from, where no cause is known and a call that every start
// makes is answered by one: the file or the directory that the error speaks of is all right then.
func filtered(err error) error {
	var known *kernel.Refusal
	var program *lifecycle.ExecError
	if errors.As(err, &known) || errors.As(err, &program) {
		return err
	}
	for _, c := range []struct {
		call string
		with unix.Errno
	}{{"mkdirat", unix.ENOSYS}, {"openat2", unix.EPERM}, {"openat2", unix.ENOSYS}, {"getcwd", unix.ENOENT}} {
		if !errors.Is(err, c.with) {
			continue
		}
		if cause, blocked := (kernel.Host{}).Blocked(c.call); blocked {
			return &kernel.Refusal{Cause: cause, Err: err}
		}
	}
	return err
}
