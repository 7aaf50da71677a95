package rootfs

import (
	"fmt"
	"strings"

	"sandbox/pkg/kernel"
)

// checkHostTree is for a container without a mount namespace: its root is
// chrooted into and every mount would be the caller's. runc makes them all the
// same, and they stay behind when the container has gone; here nothing is
// mounted. The kernel's filesystems that a container SHOULD have (runtime-spec,
// config-linux.md, "Default Filesystems") are left out, and the contract says
// so. All that shows, hides or protects data of the caller's is an error: a run
// without it would be another than the one that was asked for.
func (t *Tree) checkHostTree() error {
	for i, m := range t.mounts {
		if !m.usual() {
			return needsMount(fmt.Sprintf("mounts[%d] (%s)", i, m.dest))
		}
	}
	l := t.spec.Linux
	switch {
	case l != nil && len(l.MaskedPaths) > 0:
		return needsMount("linux.maskedPaths")
	case l != nil && len(l.ReadonlyPaths) > 0:
		return needsMount("linux.readonlyPaths")
	case l != nil && len(l.Devices) > 0:
		return needsMount("linux.devices")
	case l != nil && l.RootfsPropagation != "":
		return needsMount("linux.rootfsPropagation")
	case l != nil && l.MountLabel != "":
		return needsMount("linux.mountLabel")
	}
	if t.spec.Root.Readonly { // what spec(8) of runc writes, which leaves it out there
		t.losses.Degrade(kernel.FeatMounts, "the root can be written",
			kernel.New(kernel.NotSupported, "linux.namespaces has no mount namespace, and the mount that it lies on is the caller's"))
	}
	if len(t.mounts) > 0 {
		t.losses.Degrade(kernel.FeatMounts, "/proc, /sys and /dev are as the root has them",
			kernel.New(kernel.NotSupported, "linux.namespaces has no mount namespace, and mounts would be made in the caller's"))
	}
	return nil
}

func needsMount(field string) error {
	return fmt.Errorf(`%s: needs a mount namespace in linux.namespaces: add {"type": "mount"}, or leave it out`, field)
}

// usual says whether a mount is one of the kernel's filesystems, empty of
// anybody's data, in a place where every container has them.
func (m *mount) usual() bool {
	if m.remount || m.copyUp {
		return false
	}
	top, _, _ := strings.Cut(m.place, "/")
	switch m.fstype {
	case "proc", "sysfs", "cgroup2", "mqueue":
		return top == "proc" || top == "sys" || top == "dev"
	case "devpts", "tmpfs": // below /proc and /sys a tmpfs is a mask
		return top == "dev"
	}
	return false
}
