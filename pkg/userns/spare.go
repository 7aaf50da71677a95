package userns

import (
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
	"sandbox/pkg/proc"
)

// spare has the child do without descriptors that it does not need, where few files may be open: it has a copy of all of ours,
// and a start in a directory tree opens more than thirty of its own. theirs is the child's socket to us.
func spare(p *plan.Plan, theirs int) {
	if !proc.FewFiles() {
		return
	}
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return
	}
	var inherited []int
	for fd := 3; fd < int(l.Cur); fd++ { // without /proc/self/fd, which takes one
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC != 0 && fd != theirs {
			inherited = append(inherited, fd)
		}
	}
	p.Frugal(inherited)
}
