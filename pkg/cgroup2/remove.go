package cgroup2

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// A killed process leaves its group soon, and may take as long as dying.
const (
	soon  = 20 * time.Millisecond
	dying = 2 * time.Second
)

// PopulatedError is a group that still has processes.
type PopulatedError struct {
	Path string
	Pids []int // as seen from here; none when they are in another pid namespace
}

func (e *PopulatedError) Error() string {
	if len(e.Pids) == 0 {
		return fmt.Sprintf("cgroup %s has living processes", e.Path)
	}
	return fmt.Sprintf("cgroup %s has living processes, such as %d", e.Path, e.Pids[0])
}

// empty waits until nobody is in the group. Who is frozen there goes on: a process that is at its end could not leave.
func (g Group) empty() error {
	for _, patience := range []time.Duration{soon, dying} {
		if empty, err := g.wait("populated", false, patience); empty || Gone(err) {
			return nil
		}
		g.thawAll()
	}
	pids, _ := g.Procs()
	return &PopulatedError{g.Path, pids}
}

// Remove removes the group and those below it. It never ends a process: while one
// lives in there it is a *PopulatedError. A group that is gone is no error.
func (g Group) Remove() error {
	err := unix.Rmdir(g.Dir())
	if err == nil || Gone(err) {
		return nil
	}
	if errors.Is(err, unix.EBUSY) {
		return g.removeAll()
	}
	return fmt.Errorf("remove cgroup %s: %w", g.Path, err)
}

func (g Group) removeAll() error {
	if err := g.empty(); err != nil {
		return err
	}
	err := g.walk(visitor{leave: func(parent int, name string) error {
		if err := unix.Unlinkat(parent, name, unix.AT_REMOVEDIR); err != nil && !Gone(err) {
			return fmt.Errorf("%q: %w", name, err)
		}
		return nil
	}})
	if err == nil {
		err = ignoreGone(unix.Rmdir(g.Dir()))
	}
	if err != nil {
		return fmt.Errorf("remove cgroup %s: %w", g.Path, err)
	}
	return nil
}
