package cgroup2

import (
	"errors"
	"fmt"
	"os"
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

// MemoryEvents is memory.events of a group, held open: its descriptor tells of
// changes by POLLPRI. When the group is removed a read fails with ENODEV, so
// who wants to know must look while it is there.
type MemoryEvents struct {
	group Group
	file  *os.File
	seen  uint64
}

// WatchMemory opens it. Kills that have been count as seen.
func (g Group) WatchMemory() (*MemoryEvents, error) {
	fd, err := unix.Open(g.file("memory.events"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("watch memory.events of cgroup %s: %w", g.Path, err)
	}
	m := &MemoryEvents{group: g, file: os.NewFile(uintptr(fd), "memory.events")}
	m.seen, err = m.kills()
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Fd is for poll(2).
func (m *MemoryEvents) Fd() int { return int(m.file.Fd()) }

// Close ends the watch.
func (m *MemoryEvents) Close() { m.file.Close() }

// New is what has happened since the last look; nil is nothing.
func (m *MemoryEvents) New() (*OOM, error) {
	kills, err := m.kills()
	if err != nil || kills <= m.seen {
		return nil, err
	}
	m.seen = kills
	return m.group.oom(kills), nil
}

// OOM is what has happened since the group was made; nil is nothing, or a group
// that is gone or not counted.
func (g Group) OOM() *OOM {
	t, err := g.table("memory.events")
	if err != nil || t["oom_kill"] == 0 {
		return nil
	}
	return g.oom(t["oom_kill"])
}

func (g Group) oom(kills uint64) *OOM {
	o := &OOM{Kills: kills}
	o.Limit, _ = g.number("memory.max")
	o.Peak, _ = g.number("memory.peak")
	return o
}

func (m *MemoryEvents) kills() (uint64, error) {
	var buf [512]byte
	n, err := unix.Pread(m.Fd(), buf[:], 0)
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
