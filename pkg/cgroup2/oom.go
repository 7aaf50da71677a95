package cgroup2

import (
	"errors"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// OOM is what the kernel's out-of-memory killer has done in a group. Sizes are in
// bytes; no limit is the largest number, an unknown peak 0.
type OOM struct {
	Kills uint64 `json:"kills"`
	Limit uint64 `json:"limit"`
	Peak  uint64 `json:"peak,omitempty"`
}

// MemoryEvents is memory.events of a group, held open, and of the group above it:
// their descriptors tell of changes by POLLPRI. When the last process has ended
// systemd removes the group, and often before anybody has looked: a read then fails
// with ENODEV. What happens in a group is counted in those above it too, and they
// stay.
type MemoryEvents struct {
	group       Group
	file, above int // fds; above is -1 where there is none
	seen        uint64
	seenAbove   uint64
	last        OOM // limit and peak at the last look
}

// WatchMemory opens them. Kills that have been count as seen.
func (g Group) WatchMemory() (*MemoryEvents, error) {
	m := &MemoryEvents{group: g, above: -1, last: OOM{Limit: math.MaxUint64}}
	var err error
	if m.file, err = unix.Open(g.file("memory.events"), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("watch memory.events of cgroup %s: %w", g.Path, err)
	}
	if fd, err := unix.Open(Group{g.Mount, path.Dir(g.Path)}.file("memory.events"), unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		m.above = fd
	}
	if _, err := m.New(); err != nil {
		m.Close()
		return nil, fmt.Errorf("watch memory.events of cgroup %s: %w", g.Path, err)
	}
	return m, nil
}

// Fds are for poll(2), with POLLPRI; a negative one is ignored there.
func (m *MemoryEvents) Fds() [2]int { return [2]int{m.file, m.above} }

// Close ends the watch.
func (m *MemoryEvents) Close() {
	for _, fd := range m.Fds() {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// New is what has happened since the last look; nil is nothing. The error is
// about a group that has gone, for which [Gone] holds: a kill between the last look
// and that is told first.
func (m *MemoryEvents) New() (*OOM, error) {
	above, aboveErr := kills(m.above)
	now, err := kills(m.file)
	if err != nil {
		if above, aboveErr = kills(m.above); aboveErr == nil && above > m.seenAbove {
			m.seenAbove = above
			m.last.Kills++
			told := m.last
			return &told, nil
		}
		return nil, err
	}
	if aboveErr == nil {
		m.seenAbove = above
	}
	m.last.look(m.group, now)
	if now <= m.seen {
		return nil, nil
	}
	m.seen = now
	told := m.last
	return &told, nil
}

// OOM is what has happened since the group was made; nil is nothing, or a group
// that is gone or not counted.
func (g Group) OOM() *OOM {
	t, err := g.table("memory.events")
	if err != nil || t["oom_kill"] == 0 {
		return nil
	}
	o := OOM{Limit: math.MaxUint64}
	o.look(g, t["oom_kill"])
	return &o
}

// look keeps the sizes of the last look at a group that goes meanwhile.
func (o *OOM) look(g Group, kills uint64) {
	o.Kills = kills
	for name, to := range map[string]*uint64{"memory.max": &o.Limit, "memory.peak": &o.Peak} {
		if text, err := g.text(name); err == nil && text != "" {
			*to, _ = parse(name, text)
		}
	}
}

// kills is the counter of an open memory.events.
func kills(fd int) (uint64, error) {
	var buf [512]byte
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(buf[:n])) {
		if v, ok := strings.CutPrefix(line, "oom_kill "); ok {
			return strconv.ParseUint(strings.TrimSpace(v), 10, 64)
		}
	}
	return 0, nil
}

// Gone says whether an error is about a group that was removed: its directory is
// not there, or its open files have lost it.
func Gone(err error) bool { return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOENT) }
