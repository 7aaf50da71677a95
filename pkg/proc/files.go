package proc

import "golang.org/x/sys/unix"

// FewFiles says whether this process may have so few files open that a start has to close what it can as it goes. Its limit is
// the hard one, to which the Go runtime has raised it.
func FewFiles() bool {
	const few = 96
	var l unix.Rlimit
	return unix.Getrlimit(unix.RLIMIT_NOFILE, &l) == nil && l.Cur <= few
}
