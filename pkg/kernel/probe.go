package kernel

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrNotTried is the answer of a probe that this package cannot do alone.
var ErrNotTried = errors.New("not tried")

func (h Host) try(op Op) error {
	if h.Try != nil {
		return h.Try(op)
	}
	return tryClone(op)
}

// tryClone does as much of op as a forked child can do before it executes a
// program. The program is one that no kernel can execute: a name that is too
// long is refused with ENAMETOOLONG before anything else is looked at, and no
// step before it can answer that. So that errno is success, no binary of the
// host is needed (an empty container has none), and nothing ever runs.
func tryClone(op Op) error {
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
	// syscall writes /proc/PID/uid_map by the child's pid as we know it. With a
	// /proc of another pid namespace that is somebody else's file.
	if link, _ := os.Readlink("/proc/self"); link != strconv.Itoa(os.Getpid()) && op.Do != NewUserns {
		return ErrNotTried
	}
	switch op.Do {
	case NewUserns:
	case WriteIDMap:
		mapSelf(attr)
	case Mount:
		// syscall makes every mount private after this unshare: that mount is the call we are after.
		mapSelf(attr)
		attr.Unshareflags = unix.CLONE_NEWNS
	default:
		return ErrNotTried
	}
	_, err := syscall.ForkExec("/"+strings.Repeat("x", 4*unix.PathMax), []string{"sandbox-probe"}, &syscall.ProcAttr{Sys: attr})
	if errors.Is(err, unix.ENAMETOOLONG) {
		return nil
	}
	return err
}

func mapSelf(attr *syscall.SysProcAttr) {
	uid, gid := os.Geteuid(), os.Getegid()
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
}

// malformed are calls that the kernel refuses with that errno before it looks
// at any right but CAP_SYS_ADMIN, so that another answer comes from a filter. Each fails in every
// case and changes nothing.
//
// A filter that kills would kill us here. Explain only asks after the same call
// failed with an errno; Check asks for one that every start makes anyway.
var malformed = [...]struct {
	name   string
	nr     uintptr
	args   [5]uintptr
	answer syscall.Errno
}{
	{"chdir", unix.SYS_CHDIR, [5]uintptr{1}, unix.EFAULT},
	{"getcwd", unix.SYS_GETCWD, [5]uintptr{0, 0}, unix.ERANGE},
	{"mkdirat", unix.SYS_MKDIRAT, [5]uintptr{^uintptr(0), 1}, unix.EFAULT},
	{"fchdir", unix.SYS_FCHDIR, [5]uintptr{^uintptr(0)}, unix.EBADF},
	{"umount2", unix.SYS_UMOUNT2, [5]uintptr{1, 1 << 30}, unix.EINVAL},                                    // flags that are none
	{"fsconfig", unix.SYS_FSCONFIG, [5]uintptr{^uintptr(0), 1}, unix.EINVAL},                              // a negative descriptor
	{"move_mount", unix.SYS_MOVE_MOUNT, [5]uintptr{^uintptr(0), 1, ^uintptr(0), 1, 1 << 31}, unix.EINVAL}, // flags that are none
	{"unshare", unix.SYS_UNSHARE, [5]uintptr{unix.CLONE_NEWUSER | 1}, unix.EINVAL},                        // check_unshare_flags
	{"mount", unix.SYS_MOUNT, [5]uintptr{1, 1, 1}, unix.EFAULT},                                           // copy_mount_string
	{"open_tree", unix.SYS_OPEN_TREE, [5]uintptr{^uintptr(0), 1, 1 << 31}, unix.EINVAL},                   // flags that are none
	{"setns", unix.SYS_SETNS, [5]uintptr{^uintptr(0), 0}, unix.EBADF},                                     // no such descriptor
	{"mount_setattr", unix.SYS_MOUNT_SETATTR, [5]uintptr{^uintptr(0), 1, 0}, unix.EINVAL},                 // size below version 0
	{"openat2", unix.SYS_OPENAT2, [5]uintptr{^uintptr(0), 1, 1, 0}, unix.EINVAL},                          // size below version 0
}

func (h Host) askFilter(call string) (yes, known bool) {
	if h.Filtered != nil {
		return h.Filtered(call)
	}
	if h.Proc != "" {
		return false, false
	}
	errno, want, known := callMalformed(call)
	return known && errno != want && errno != unix.EFAULT, known
}

func callMalformed(call string) (errno, want syscall.Errno, known bool) {
	for _, c := range malformed {
		if c.name == call {
			_, _, errno = unix.Syscall6(c.nr, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], 0)
			if errno == unix.EPERM && !filtersUs() {
				return errno, errno, true // move_mount first asks for CAP_SYS_ADMIN: there is nobody else who could say no
			}
			return errno, c.answer, true
		}
	}
	return 0, 0, false
}

// filtersUs says that seccomp filters what we call, or that this cannot be asked (PR_GET_SECCOMP in prctl(2)).
func filtersUs() bool {
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	return mode != 0 || err != nil
}

// Blocked is the cause when a filter around us answers a call in place of the kernel: one of those that can be asked
// without any effect. Callers ask when something failed that could have another reason.
func (h Host) Blocked(call string) (Cause, bool) {
	errno, want, known := callMalformed(call)
	if !known || errno == want || errno == unix.EFAULT {
		return Cause{}, false
	}
	return h.Explain(Op{Do: OtherCall, Data: call}, errno)
}
