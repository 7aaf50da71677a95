package cgroup2

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ownerNames are extended attributes of the group's directory. The first is root's
// to set and to read; the second may be set since Linux 5.7 by whoever owns the
// directory, a container that has it mounted writable too: it is no more than a hint.
var ownerNames = []string{"trusted.sandbox.container", "user.sandbox.container"}

// SetOwner notes which container has the group: names come again, and an empty
// group may be taken over by another one. Older kernels take no note.
func (g Group) SetOwner(owner string) {
	for _, name := range ownerNames {
		if unix.Setxattr(g.Dir(), name, []byte(owner), 0) == nil {
			return
		}
	}
}

// Owner is who was noted last, "" where that is not known.
func (g Group) Owner() string {
	buf := make([]byte, unix.PathMax)
	for _, name := range ownerNames {
		if n, err := unix.Getxattr(g.Dir(), name, buf); err == nil {
			return string(buf[:n])
		}
	}
	return ""
}

// Delegate gives the group to a user, who can then make groups below it: the
// directory, and the files that the kernel says belong to it
// (/sys/kernel/cgroup/delegate, Linux 4.15). Its limits stay ours.
func (g Group) Delegate(uid int) error {
	list, err := readFile("/sys/kernel/cgroup/delegate")
	if err != nil {
		list = []byte("cgroup.procs cgroup.threads cgroup.subtree_control")
	}
	for _, name := range slices.Concat([]string{""}, strings.Fields(string(list))) {
		if err := unix.Lchown(g.file(name), uid, -1); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("give cgroup %s to user %d: %w", g.Path, uid, err)
		}
	}
	return nil
}
