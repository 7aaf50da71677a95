package cgroup2

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
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

// SignalLoose does the same and lets them run meanwhile. One that is refused does not keep the signal from the others.
func (g Group) SignalLoose(sig unix.Signal) error {
	if err := proc.SignalEach(g.Procs, sig); err != nil {
		return fmt.Errorf("signal the processes of cgroup %s: %w", g.Path, err)
	}
	return nil
}
