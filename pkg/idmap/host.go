package idmap

import (
	"path/filepath"
	"time"

	"sandbox/pkg/helper"
)

// Host is where the facts are read. The zero value is the real host; tests and
// what looks at another root point the fields at folders.
type Host struct {
	// Etc has subuid, subgid, passwd, group, nsswitch.conf, login.defs; "" is /etc.
	Etc string
	// Proc has self and PID folders; "" is /proc.
	Proc string
	// Helpers finds newuidmap, newgidmap and getsubids; nil is a new one.
	Helpers *helper.Finder
	// Dirs are where they are searched and believed instead; for tests.
	Dirs []string
	// Patience is how long getsubids may take to ask a directory service; 0 is 5 s.
	Patience time.Duration

	look func(path string) (copyFacts, error) // nil asks the kernel
}

// Kind tells user ids from group ids.
type Kind int

// The two kinds of ids, each with its own map, file, helper and capability.
const (
	UID Kind = iota
	GID
)

// String is "uid" or "gid".
func (k Kind) String() string { return k.pick("uid", "gid") }

func (k Kind) file() string    { return k.pick("subuid", "subgid") }
func (k Kind) mapFile() string { return k.pick("uid_map", "gid_map") }
func (k Kind) helper() string  { return k.pick("newuidmap", "newgidmap") }

func (k Kind) pick(uid, gid string) string {
	if k == GID {
		return gid
	}
	return uid
}

func (k Kind) own(c Caller) uint32 {
	if k == GID {
		return c.GID
	}
	return c.UID
}

func (k Kind) of(m Map) []Extent {
	if k == GID {
		return m.GIDs
	}
	return m.UIDs
}

func (h Host) etc(name string) string {
	if h.Etc == "" {
		return "/etc/" + name
	}
	return filepath.Join(h.Etc, name)
}

func (h Host) proc(name string) string {
	if h.Proc == "" {
		return "/proc/" + name
	}
	return filepath.Join(h.Proc, name)
}

func (h Host) patience() time.Duration {
	if h.Patience == 0 {
		return 5 * time.Second
	}
	return h.Patience
}

func (h Host) finder() *helper.Finder {
	switch {
	case h.Dirs != nil:
		return &helper.Finder{Dirs: h.Dirs}
	case h.Helpers != nil:
		return h.Helpers
	}
	return &helper.Finder{}
}
