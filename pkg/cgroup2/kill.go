package cgroup2

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Kill ends every process in the group and below it: those that are being forked
// meanwhile too (cgroup.kill, Linux 5.14), before that until there are none.
func (g Group) Kill() error {
	err := g.put("cgroup.kill", "1")
	if err == nil || Gone(err) && !g.exists() {
		return nil
	}
	for deadline := time.Now().Add(dying); ; {
		if err := g.Signal(unix.SIGKILL); err != nil {
			return err
		}
		if empty, err := g.wait("populated", false, 20*time.Millisecond); empty || err != nil {
			return ignoreGone(err)
		}
		if time.Now().After(deadline) {
			pids, _ := g.Procs()
			return &PopulatedError{g.Path, pids}
		}
	}
}

func (g Group) exists() bool { return unix.Access(g.Dir(), unix.F_OK) == nil }

// Signal sends a signal to every process in the group and below it, once. While
// that goes on they are frozen, where that can be had: else one that forks is
// faster than we are.
func (g Group) Signal(sig unix.Signal) error {
	if was, err := g.Frozen(); err == nil && !was && g.Freeze(time.Second) == nil {
		defer func() { _ = g.Thaw() }()
	}
	return g.SignalLoose(sig)
}

// SignalLoose does the same and lets them run meanwhile.
func (g Group) SignalLoose(sig unix.Signal) error {
	pids, err := g.Procs()
	if err != nil {
		return fmt.Errorf("look at the processes of cgroup %s: %w", g.Path, err)
	}
	var first error
	for few := range slices.Chunk(pids, 200) { // of which each has a descriptor
		if err := g.signalThese(few, sig); first == nil {
			first = err
		}
	}
	return first
}

// signalThese goes through pidfds: a process may have ended since it was listed,
// and its number be somebody else's. Those that are still listed after their pidfd
// was opened are the ones that it is about. One that is refused does not keep the
// signal from the others.
func (g Group) signalThese(pids []int, sig unix.Signal) error {
	fds := map[int]int{}
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	var first error
	note := func(pid int, err error) {
		if err != nil && !errors.Is(err, unix.ESRCH) && first == nil {
			first = fmt.Errorf("signal process %d of cgroup %s: %w", pid, g.Path, err)
		}
	}
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if note(pid, err); err == nil {
			fds[pid] = fd
		}
	}
	now, err := g.Procs()
	if err != nil {
		return fmt.Errorf("look at the processes of cgroup %s: %w", g.Path, err)
	}
	for _, pid := range now {
		if fd, ok := fds[pid]; ok {
			note(pid, unix.PidfdSendSignal(fd, sig, nil, 0))
		}
	}
	return first
}
