package proc

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ID is one process, which no later one with the same number is taken for.
type ID struct {
	Pid   int
	Begin uint64 // Stat.Begin
	Boot  string // the boot that Begin belongs to
}

// Of returns the ID of a process that is there now.
func Of(pid int) (ID, error) {
	s, err := Look(pid)
	return ID{pid, s.Begin, Boot()}, err
}

// Boot tells this boot from others. It is "" in containers that mask it; then
// start times alone decide.
func Boot() string { return boot() }

var boot = sync.OnceValue(func() string {
	b, err := ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
})

// Alive says whether the pid still is this process's, and it has not ended.
func (id ID) Alive() bool {
	if id.Pid <= 0 {
		return false
	}
	s, err := Look(id.Pid)
	return err == nil && s.Begin == id.Begin && !s.Ended() && id.Boot == Boot()
}

// Ends says whether the process has ended, or has begun to: the first one of a pid namespace waits then until all in it have
// been waited for, which their parents outside may be about to do.
func (id ID) Ends() bool {
	s, err := Look(id.Pid)
	switch {
	case err != nil:
		return errors.Is(err, fs.ErrNotExist) && unix.Kill(id.Pid, 0) == unix.ESRCH // else it is hidden
	case s.Begin != id.Begin || s.Ended():
		return true
	case s.Flags&exiting == 0:
		return false
	}
	return s.Threads <= 1 || threadsEnd(id.Pid)
}

// threadsEnd says whether no thread of a process goes on whose first one has ended.
func threadsEnd(pid int) bool {
	threads, err := os.ReadDir(Dir(pid) + "/task")
	for _, t := range threads {
		b, err := ReadFile(Dir(pid) + "/task/" + t.Name() + "/stat")
		if err != nil {
			continue
		}
		if s, err := parseStat(b); err == nil && s.Flags&exiting == 0 {
			return false
		}
	}
	return err == nil
}

// Open returns a pidfd of the process, and unix.ESRCH when it has ended; any other error says nothing about it. The
// process is looked at after its pidfd was opened: the pid may have become
// somebody else's at any time before.
func (id ID) Open() (*os.File, error) {
	if id.Pid <= 0 {
		return nil, unix.ESRCH
	}
	fd, err := unix.PidfdOpen(id.Pid, 0)
	switch {
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT): // the last two: it is a thread's now
		return nil, unix.ESRCH
	case err != nil:
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	if !id.Alive() {
		f.Close()
		return nil, unix.ESRCH
	}
	return f, nil
}

// Ends waits until a process has ended, at most so long, and says whether it has.
func Ends(pidfd int, most time.Duration) bool {
	for end := time.Now().Add(most); ; {
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		ts := unix.NsecToTimespec(int64(left))
		n, err := unix.Ppoll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, &ts, nil)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}
