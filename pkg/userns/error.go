package userns

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Error is a step of a plan that failed in the child.
type Error struct {
	Step  int        // its number, as `sandbox plan` prints it
	Act   string     // what it was part of, in words
	What  any        // what it attempted, as the plan has it; nil when only the words are known
	Call  string     // the system call, "" when only the number is known
	Errno unix.Errno // why
}

func (e *Error) Error() string {
	where := fmt.Sprintf("step %d", e.Step)
	if e.Call != "" {
		where += ", " + e.Call
	}
	return fmt.Sprintf("%s (%s): %v", e.Act, where, e.Errno)
}

// Unwrap gives the errno to errors.Is.
func (e *Error) Unwrap() error { return e.Errno }

// BirthError is a clone that the kernel refused: no child ever existed.
type BirthError struct {
	Flags uintptr // the CLONE_NEW* asked for
	Errno unix.Errno
}

func (e *BirthError) Error() string { return "create namespaces (clone): " + e.Errno.Error() }

// Unwrap gives the errno to errors.Is.
func (e *BirthError) Unwrap() error { return e.Errno }

// MapError is an id map that could not be written.
type MapError struct{ Err error }

func (e *MapError) Error() string { return "write id map: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *MapError) Unwrap() error { return e.Err }
