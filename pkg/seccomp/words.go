package seccomp

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Names of the fields in complaints.
const field = "linux.seccomp."

// contains says whether a word is in a list with spaces between.
func contains(list, word string) bool {
	for _, w := range strings.Fields(list) {
		if w == word {
			return true
		}
	}
	return false
}

// action is the value that a filter returns for an action (seccomp(2)). An
// errno counts for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only, and is EPERM where
// none is given (runtime-spec, config-linux.md).
func action(name specs.LinuxSeccompAction, errno *uint, at, errnoAt string) (uint32, error) {
	data, most := uint32(unix.EPERM), uint(0)
	var ret uint32
	switch name {
	case specs.ActKill, specs.ActKillThread:
		ret = unix.SECCOMP_RET_KILL_THREAD
	case specs.ActKillProcess:
		ret = unix.SECCOMP_RET_KILL_PROCESS
	case specs.ActTrap:
		ret = unix.SECCOMP_RET_TRAP
	case specs.ActErrno:
		ret, most = unix.SECCOMP_RET_ERRNO, 4095 // MAX_ERRNO: the kernel cuts more down to it
	case specs.ActTrace:
		ret, most = unix.SECCOMP_RET_TRACE, 1<<16-1
	case specs.ActNotify:
		ret = unix.SECCOMP_RET_USER_NOTIF
	case specs.ActLog:
		ret = unix.SECCOMP_RET_LOG
	case specs.ActAllow:
		ret = unix.SECCOMP_RET_ALLOW
	case "":
		return 0, fmt.Errorf("%s: missing", at)
	default:
		return 0, fmt.Errorf("%s: unknown action %q", at, name)
	}
	switch {
	case errno == nil && most == 0:
		return ret, nil
	case errno == nil:
	case most == 0:
		return 0, fmt.Errorf("%s: %s takes no errno", errnoAt, name)
	case *errno > most:
		return 0, fmt.Errorf("%s: must be %d at most, is %d", errnoAt, most, *errno)
	default:
		data = uint32(*errno)
	}
	return ret | data, nil
}

// stricter orders actions as the kernel does when several filters answer: the
// action part as a signed number, KILL_PROCESS first and ALLOW last.
func stricter(a, b uint32) int {
	x, y := int32(a&unix.SECCOMP_RET_ACTION_FULL), int32(b&unix.SECCOMP_RET_ACTION_FULL)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// passes says whether a call with this answer reaches the kernel, or somebody
// who may let it.
func passes(ret uint32) bool { return stricter(ret, unix.SECCOMP_RET_USER_NOTIF) >= 0 }

// notifies says whether an answer is the listener's.
func notifies(ret uint32) bool { return ret == unix.SECCOMP_RET_USER_NOTIF }

// flagsOf are the flags of seccomp(2) that a profile asks for. One that has no list of them has SPEC_ALLOW, as with runc: the
// mitigation that it leaves out is not the kernel's default for filters any more (Linux 5.16).
func flagsOf(s *specs.LinuxSeccomp, notify bool) (flags uint32, err error) {
	for i, f := range s.Flags {
		at := fmt.Sprintf(field+"flags[%d]", i)
		switch f {
		case specs.LinuxSeccompFlagLog:
			flags |= unix.SECCOMP_FILTER_FLAG_LOG
		case specs.LinuxSeccompFlagSpecAllow:
			flags |= unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
		case specs.LinuxSeccompFlagWaitKillableRecv:
			if !notify {
				return 0, fmt.Errorf("%s: %s means something only with a rule SCMP_ACT_NOTIFY", at, f)
			}
			flags |= unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
		case "SECCOMP_FILTER_FLAG_TSYNC":
			// all threads, of which a payload begins with one
		default:
			return 0, fmt.Errorf("%s: unknown flag %q", at, f)
		}
	}
	if s.Flags == nil {
		flags |= unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	}
	if notify {
		flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	}
	return flags, nil
}
