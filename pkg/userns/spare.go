package userns

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// fewFiles is a limit of open files below which a plan's child is spared those that it does not need. The child has a copy of
// all of ours, and a start in a directory tree opens more than thirty of its own.
const fewFiles = 72

// spare changes a plan where few files may be open. theirs is the child's socket to us.
func spare(p *plan.Plan, theirs int) {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil || l.Cur > fewFiles {
		return
	}
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	var inherited []int
	for _, e := range list {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= 2 || fd == theirs {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC != 0 {
			inherited = append(inherited, fd)
		}
	}
	p.Frugal(inherited)
}
