package cgroup2

import (
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Freeze stops every process in the group and below it, and waits until they have
// stopped. One that cannot within the patience (it waits for a disk, say) leaves
// the group as it was.
func (g Group) Freeze(patience time.Duration) error {
	if err := g.put("cgroup.freeze", "1"); err != nil {
		return fmt.Errorf("freeze cgroup %s: %w", g.Path, err)
	}
	frozen, err := g.wait("frozen", true, patience)
	if frozen && err == nil {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("its processes have not stopped within %s", patience)
	}
	_ = g.put("cgroup.freeze", "0")
	return fmt.Errorf("freeze cgroup %s: %w", g.Path, err)
}

// Thaw lets them go on.
func (g Group) Thaw() error {
	if err := g.put("cgroup.freeze", "0"); err != nil {
		return fmt.Errorf("thaw cgroup %s: %w", g.Path, err)
	}
	return nil
}

// thawAll lets everybody in the group and below it go on, as far as that goes: who has left processes there may have frozen
// some of them, or be paused.
func (g Group) thawAll() {
	_ = g.walk(visitor{enter: func(dir int) error {
		fd, err := unix.Openat(dir, "cgroup.freeze", unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err == nil {
			_, _ = unix.Write(fd, []byte("0"))
			unix.Close(fd)
		}
		return nil
	}})
}

// Frozen says whether the group is to be frozen; that its processes have stopped,
// Freeze has waited for. A group that is frozen by one above it is not.
func (g Group) Frozen() (bool, error) {
	b, err := readFile(g.file("cgroup.freeze"))
	return strings.TrimSpace(string(b)) == "1", err
}

// FrozenBelow says whether the group is to be frozen, by itself or by one above it, as far up as top, which does not count.
// cgroup.events would tell only when all who are there have stopped.
func (g Group) FrozenBelow(top string) bool {
	for at := g; at.Path != top && at.Path != "/"; at.Path = path.Dir(at.Path) {
		if frozen, err := at.Frozen(); err == nil && frozen {
			return true
		}
	}
	return false
}
