package kernel

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
)

// procReadOnly: a map is written to a file of /proc.
func procReadOnly(s *sight) (Cause, bool) {
	if !s.is(unix.EROFS) {
		return Cause{}, false
	}
	return fill(ProcReadOnly, nil, "a file of /proc answered EROFS"), true
}

// fileLimit: EMFILE is our own limit, ENFILE the host's.
func fileLimit(s *sight) (Cause, bool) {
	switch {
	case s.is(unix.ENFILE):
		return fill(FileLimit, []string{"IFGROUP", Holds}, seen("fs.file-max", s.sysctl("fs.file-max"))), true
	case !s.is(unix.EMFILE):
		return Cause{}, false
	}
	hard, found := parseLimits(read(s.proc("self/limits")))["nofile"]
	var l unix.Rlimit
	if !found && unix.Getrlimit(unix.RLIMIT_NOFILE, &l) == nil { // nor can that file be opened
		hard = l.Max
	}
	return fill(FileLimit, []string{"IFLIMIT", Holds}, "ulimit -Hn is "+strconv.FormatUint(hard, 10)), true
}

// FewFiles says whether a start has to close what it can as it goes.
func FewFiles() bool { return proc.FewFiles() }

// FilesRefused says whether something could not be looked at because too many files are open.
func FilesRefused() bool { return proc.Refused() }

// FilesLeft is a [Refusal] unless so many files can be opened yet: what stops in the midst of a start has many words for it.
func (h Host) FilesLeft(need int) error {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil || l.Cur > 1024 {
		return nil // the soft one: the Go runtime has raised it as far as it goes
	}
	open, err := os.ReadDir(h.proc("self/fd"))
	if err != nil || len(open)+need <= int(l.Cur) {
		return nil
	}
	return h.Because(Op{Do: OpenFile}, fmt.Errorf("%d files are open, and a start opens up to %d more: %w", len(open)-1, need, unix.EMFILE))
}

// ProcessesLeft is a [Refusal] where so many threads more would be too many for our user. It looks only where the limit is
// that low: the Go runtime ends a program that gets no thread.
func (h Host) ProcessesLeft(need int) error {
	const low = 256
	var l unix.Rlimit
	uid := unix.Getuid()
	if uid == 0 || unix.Getrlimit(unix.RLIMIT_NPROC, &l) != nil || l.Cur > low {
		return nil
	}
	all, err := os.ReadDir(orRoot(h.Proc, "/proc"))
	if err != nil {
		return nil
	}
	used := 0
	for _, e := range all {
		if name := e.Name(); name[0] >= '1' && name[0] <= '9' {
			used += h.threadsOf(name, uid)
		}
	}
	if used+need <= int(l.Cur) {
		return nil
	}
	return h.Because(Op{Do: NewUserns}, fmt.Errorf("%d processes and threads run, and a start takes %d more: %w", used, need, unix.EAGAIN))
}

// threadsOf is how many threads a process has, 0 where it is another user's.
func (h Host) threadsOf(pid string, uid int) int {
	status := read(h.proc(pid + "/status"))
	owner, threads := false, 0
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		words := strings.Fields(value)
		switch {
		case key == "Uid" && len(words) > 0:
			owner = words[0] == strconv.Itoa(uid)
		case key == "Threads" && len(words) > 0:
			threads, _ = strconv.Atoi(words[0])
		}
	}
	if !owner {
		return 0
	}
	return threads
}
