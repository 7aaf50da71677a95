package userns

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// clone3Args is struct clone_args of clone3(2), third version (Linux 5.7).
type clone3Args struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls uint64
	setTID, setTIDSize, cgroup                                           uint64
}

// fork makes the child and lets it run the program. Only the parent returns:
// the child's pid and its pidfd.
func (l *launch) fork(flags uintptr) (int, int, syscall.Errno) {
	defer l.memory.close()
	if !ownStack || !l.plan.Private && flags&unix.CLONE_NEWTIME != 0 {
		return l.forkCopy(flags)
	}
	pid, pidfd, errno := l.forkStacked(flags)
	// Outer seccomp filters often refuse clone3(2), with either errno.
	if errno != syscall.ENOSYS && errno != syscall.EPERM {
		return pid, pidfd, errno
	}
	if l.plan.Private && flags&needClone3 == 0 {
		return l.forkOld(flags)
	}
	return l.forkCopy(flags)
}

// needClone3 are the flags that clone(2) has no bit for.
const needClone3 = unix.CLONE_NEWTIME | unix.CLONE_INTO_CGROUP
