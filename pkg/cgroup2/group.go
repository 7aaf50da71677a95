package cgroup2

import "path/filepath"

// Mount is where hosts mount cgroup v2.
const Mount = "/sys/fs/cgroup"

// Group is one cgroup.
type Group struct {
	Mount string // where the hierarchy is mounted
	Path  string // in the hierarchy, absolute, as /proc/PID/cgroup shows it
}

// Dir is the group's directory.
func (g Group) Dir() string { return filepath.Join(g.Mount, g.Path) }

func (g Group) file(name string) string { return filepath.Join(g.Mount, g.Path, name) }
