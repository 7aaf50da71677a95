package proc

import (
	"errors"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

var refused atomic.Bool

// Opened returns the error of a call that opens a file, and notes where it is that no more can be open: what is looked at
// then must not count as missing.
func Opened(err error) error {
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		refused.Store(true)
	}
	return err
}

// Refused says whether a file could not be opened because too many were: in this process, or on this host.
func Refused() bool { return refused.Load() }

// FewFiles says whether this process may have so few files open that a start has to close what it can as it goes. Its limit is
// the hard one, to which the Go runtime has raised it.
func FewFiles() bool {
	const few = 96
	var l unix.Rlimit
	return unix.Getrlimit(unix.RLIMIT_NOFILE, &l) == nil && l.Cur <= few
}
