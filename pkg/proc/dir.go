package proc

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir is the directory of a process in /proc, by its pid as we know it.
func Dir(pid int) string { return "/proc/" + strconv.Itoa(Number(pid)) }

// Number returns the number by which /proc knows the process that we know as pid.
// They differ inside a pid namespace whose /proc is the outer one's, because a
// fresh one was refused. The kernel translates: a pidfd's fdinfo has the pid as
// of the procfs it is read in (pidfd_open(2)).
func Number(pid int) int {
	self, err := os.Readlink("/proc/self")
	if err != nil || self == strconv.Itoa(os.Getpid()) {
		return pid
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return pid
	}
	defer unix.Close(fd)
	b, err := ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return pid
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "Pid:"); ok {
			if n, err := strconv.Atoi(strings.TrimSpace(v)); err == nil && n > 0 {
				return n
			}
		}
	}
	return pid
}
