package cgroup2

import (
	"errors"
	"fmt"
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
	return g.Signal(unix.SIGKILL)
}

func (g Group) exists() bool { return unix.Access(g.Dir(), unix.F_OK) == nil }

// Signal sends a signal to every process in the group and below it, once. While
// that goes on they are frozen, where that can be had: else one that forks is
// faster than we are.
func (g Group) Signal(sig unix.Signal) error {
	if was, err := g.Frozen(); err == nil && !was && g.Freeze(time.Second) == nil {
		defer func() { _ = g.Thaw() }()
	}
	pids, err := g.Procs()
	if err != nil {
		return fmt.Errorf("look at the processes of cgroup %s: %w", g.Path, err)
	}
	for _, pid := range pids {
		if err := g.signal(pid, sig); err != nil {
			return fmt.Errorf("signal process %d of cgroup %s: %w", pid, g.Path, err)
		}
	}
	return nil
}

// signal goes through a pidfd: the process may have ended since it was listed, and
// its number be somebody else's.
func (g Group) signal(pid int, sig unix.Signal) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}
