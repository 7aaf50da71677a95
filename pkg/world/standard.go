package world

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
	"sandbox/pkg/proc"
)

// kept lists the standard files that a payload inherits: those that are not a terminal of its own.
func kept(process *specs.Process, tty TTY) []int {
	switch {
	case process.Terminal && tty.Errors:
		return []int{2}
	case process.Terminal:
		return nil
	}
	return []int{0, 1, 2}
}

// OwnFiles gives the payload the standard files it inherits, so that it may open /dev/stdout again by name: pipes, and files
// that it is to write to. A terminal of the caller's, and what is only read, stays the caller's. Where the child has not the
// right to, [GiveFiles] has it.
func OwnFiles(p *plan.Plan, process *specs.Process, tty TTY) {
	for _, fd := range kept(process, tty) {
		if st, given := givenFile(fd); given && st.Uid != process.User.UID {
			p.Act("give the payload its standard file %d", fd)
			p.Do("fchown", unix.SYS_FCHOWN, plan.C(fd), plan.C(int(process.User.UID)), plan.C(-1)).Ignore(unix.EPERM, unix.EINVAL, unix.EROFS)
		}
	}
}

// GiveFiles is OwnFiles of a caller that has rights over ids which the payload's user namespace has not: those of root's own
// files. pid is a process in that namespace.
func GiveFiles(pid int, process *specs.Process, tty TTY) {
	owner, ok := proc.ReadIDMap(proc.Dir(pid) + "/uid_map").Outside(process.User.UID)
	if !ok {
		return
	}
	for _, fd := range kept(process, tty) {
		if st, given := givenFile(fd); given && st.Uid != owner {
			_ = unix.Fchown(fd, int(owner), -1) // a file system that has no owners; the payload can still write
		}
	}
}

// givenFile says whether a standard file is one for the payload to own. An ordinary user's file stays that user's: given to a
// subordinate id, it would be one that its owner of before can neither write nor give back.
func givenFile(fd int) (st unix.Stat_t, given bool) {
	if unix.Fstat(fd, &st) != nil {
		return st, false
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return st, true
	case unix.S_IFREG:
		if unix.Geteuid() != 0 {
			return st, false
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		return st, err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY
	}
	return st, false
}

// HalfNull lists the inherited standard files that are the null device, open for one direction only: containerd opens it for reading,
// as all three. A payload that writes to such a file fails, with runc it does not.
func HalfNull(process *specs.Process, tty TTY) (list []int) {
	for _, fd := range kept(process, tty) {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(1, 3) {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err == nil && flags&unix.O_ACCMODE != unix.O_RDWR {
			list = append(list, fd)
		}
	}
	return list
}

// Null makes the null device, open for both directions, of standard files.
func Null(p *plan.Plan, null int, files []int) {
	for _, fd := range files {
		p.Act("make the null device of standard file %d", fd)
		p.Do("dup3", unix.SYS_DUP3, plan.C(null), plan.C(fd), plan.C(0))
	}
}
