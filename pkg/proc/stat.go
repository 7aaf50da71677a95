package proc

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"syscall"
)

// Stat is what /proc/PID/stat tells of a process (proc_pid_stat(5)).
type Stat struct {
	State    byte
	Parent   int
	Flags    uint64 // of its first thread, PF_* of the kernel's sched.h
	Threads  int    // that live; one whose process waits for its parent counts
	Begin    uint64 // start time, in clock ticks since boot
	EnvBegin uint64 // where its environment lies in its memory,
	EnvEnd   uint64 // 0 where the kernel does not say
	Exit     uint32 // how it has ended, as wait(2) says it; 0 to who may not look into it
}

// fields of /proc/PID/stat, by their numbers in the manual page, less that of the
// first one behind the command's name.
const (
	fieldState    = 0 // the third
	fieldParent   = 4 - 3
	fieldFlags    = 9 - 3
	fieldThreads  = 20 - 3
	fieldBegin    = 22 - 3
	fieldEnvBegin = 50 - 3
	fieldEnvEnd   = 51 - 3
	fieldExit     = 52 - 3
)

const exiting = 0x4 // PF_EXITING

// Look reads the stat of a process, by its pid as we know it. The error wraps
// fs.ErrNotExist for a process that is gone.
func Look(pid int) (Stat, error) {
	b, err := ReadFile(Dir(pid) + "/stat")
	if err != nil {
		return Stat{}, err
	}
	s, err := parseStat(b)
	if err != nil {
		err = fmt.Errorf("%s/stat: %w", Dir(pid), err)
	}
	return s, err
}

// parseStat counts fields from the last parenthesis: the command's name may hold
// spaces and parentheses of its own.
func parseStat(b []byte) (s Stat, err error) {
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) <= fieldBegin {
		return s, fmt.Errorf("only %d fields", len(fields))
	}
	if s.State = fields[fieldState][0]; len(fields[fieldState]) != 1 || s.State < 'A' || s.State > 'z' {
		return Stat{}, fmt.Errorf("no state: %q", fields[fieldState])
	}
	s.Parent, _ = strconv.Atoi(fields[fieldParent])
	s.Flags, _ = strconv.ParseUint(fields[fieldFlags], 10, 64)
	s.Threads, _ = strconv.Atoi(fields[fieldThreads])
	if s.Begin, err = strconv.ParseUint(fields[fieldBegin], 10, 64); err != nil {
		return s, err
	}
	if len(fields) > fieldEnvEnd {
		s.EnvBegin, _ = strconv.ParseUint(fields[fieldEnvBegin], 10, 64)
		s.EnvEnd, _ = strconv.ParseUint(fields[fieldEnvEnd], 10, 64)
	}
	if len(fields) > fieldExit {
		exit, _ := strconv.ParseUint(fields[fieldExit], 10, 32)
		s.Exit = uint32(exit)
	}
	return s, nil
}

// Ended says whether the process runs no more: it may still wait for its parent. One whose first thread has ended looks
// like that (proc_pid_stat(5) is about that thread), and goes on in the others.
func (s Stat) Ended() bool { return (s.State == 'Z' || s.State == 'X') && s.Threads <= 1 }

// Heeds says whether a process catches or ignores a signal (proc_pid_status(5), SigCgt, SigIgn); of one that is gone, no.
func Heeds(pid int, sig syscall.Signal) bool {
	b, err := ReadFile(Dir(pid) + "/status")
	if err != nil {
		return false
	}
	for _, field := range []string{"\nSigCgt:", "\nSigIgn:"} {
		_, rest, _ := strings.Cut(string(b), field)
		line, _, _ := strings.Cut(rest, "\n")
		if set, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64); err == nil && set&(1<<(sig-1)) != 0 {
			return true
		}
	}
	return false
}

// Stopped says whether a signal has stopped the process, until another lets it go on.
func (s Stat) Stopped() bool { return s.State == 'T' }

// Inside returns the pid that a process has in its own pid namespace
// (proc_pid_status(5), NSpid).
func Inside(pid int) (int, error) {
	b, err := ReadFile(Dir(pid) + "/status")
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(b), "\nNSpid:")
	line, _, _ := strings.Cut(rest, "\n")
	ids := strings.Fields(line)
	if !found || len(ids) == 0 {
		return pid, nil
	}
	return strconv.Atoi(ids[len(ids)-1])
}
