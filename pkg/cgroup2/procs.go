package cgroup2

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Procs are the processes in the group and below it, as pids of ours; a process
// that moves meanwhile may be missed. Zombies are not in any group's list.
func (g Group) Procs() ([]int, error) {
	var pids []int
	err := g.walk(visitor{enter: func(dir int) error {
		b, err := readAt(dir, "cgroup.procs")
		if errors.Is(err, unix.EOPNOTSUPP) {
			return nil // threaded: its processes are listed above
		}
		for _, f := range strings.Fields(string(b)) {
			// 0 is a process outside of our pid namespace.
			if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return ignoreGone(err)
	}})
	return pids, err
}

func readAt(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	return io.ReadAll(f)
}

// event is the value of a key in cgroup.events.
func (g Group) event(key string) (bool, error) {
	b, err := readFile(g.file("cgroup.events"))
	return strings.Contains("\n"+string(b), "\n"+key+" 1\n"), err
}

// Populated says whether a process lives in the group or below it. A group that
// is not there has none.
func (g Group) Populated() (bool, error) {
	yes, err := g.event("populated")
	if Gone(err) {
		return false, nil
	}
	return yes, err
}

// wait waits until a key of cgroup.events has a value; false says that it has
// not within the patience. The file tells of changes by POLLPRI, of the second one
// within 10 ms late (CGROUP_FILE_NOTIFY_MIN_INTV): what happens soon is looked for.
func (g Group) wait(key string, want bool, patience time.Duration) (bool, error) {
	fd, err := unix.Open(g.file("cgroup.events"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Gone(err) && !want, err
	}
	defer unix.Close(fd)
	deadline := time.Now().Add(patience)
	var buf [256]byte
	for look := 50 * time.Microsecond; ; look = min(2*look, time.Second) {
		n, err := unix.Pread(fd, buf[:], 0)
		if err != nil {
			return Gone(err) && !want, err
		}
		if strings.Contains("\n"+string(buf[:n]), "\n"+key+" 1\n") == want {
			return true, nil
		}
		left := time.Until(deadline)
		if left <= 0 {
			return false, nil
		}
		ts := unix.NsecToTimespec(int64(min(look, left)))
		if _, err := unix.Ppoll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}, &ts, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return false, err
		}
	}
}
