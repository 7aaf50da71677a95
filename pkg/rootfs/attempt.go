package rootfs

import (
	"fmt"
	"strings"

	"sandbox/pkg/kernel"
)

// attempt is what the steps that make and attach a mount are about.
func (m *mount) attempt(do kernel.Action) kernel.Attempt {
	return kernel.Attempt{Field: fmt.Sprintf("%s (%s)", m.field, m.spec.Destination), Op: kernel.Op{Do: do, Path: m.dest}}
}

// making is that for a filesystem that is made.
func (m *mount) making() kernel.Attempt {
	a := m.attempt(mountAction(m.fstype))
	var words []string
	for _, o := range m.data {
		switch o.key {
		case "lowerdir":
			for _, layer := range splitLayers(o.value) {
				a.Lower = append(a.Lower, unescape(layer))
			}
		case "upperdir":
			a.Upper = unescape(o.value)
		}
		words = append(words, strings.TrimSuffix(o.key+"="+o.value, "="))
	}
	a.Data = strings.Join(words, ",")
	return a
}

// mountAction is what it is to mount a filesystem of a type.
func mountAction(fstype string) kernel.Action {
	switch fstype {
	case "proc":
		return kernel.MountProc
	case "sysfs":
		return kernel.MountSysfs
	case "cgroup2":
		return kernel.MountCgroup
	case "devpts":
		return kernel.MountDevpts
	case "overlay":
		return kernel.MountOverlay
	case "mqueue", "tmpfs", "ramfs", "fuse", "binder", "bpf": // FS_USERNS_MOUNT
		return kernel.Mount
	}
	return kernel.MountDevice
}

// copying is what it is to copy a mount of the host's. It has no field, for the words of the
// steps name the source.
func copying(source string) kernel.Attempt {
	return kernel.Attempt{Op: kernel.Op{Do: kernel.Mount, Path: source}}
}

// flags is what it is to change the flags of a mount that shows a source.
func flags(field, source string) kernel.Attempt {
	return kernel.Attempt{Field: field, Op: kernel.Op{Do: kernel.Remount, Path: source}}
}

// ShownAt is what of the host a place of the container shows, for the flags that it has outside.
func (t *Tree) ShownAt(dest string) string {
	if m := last(t.places.binds, inside(dest)); m != nil {
		return m.source + strings.TrimPrefix("/"+inside(dest), "/"+m.place)
	}
	return dest
}

// list is what steps are about that serve one entry of a list of the spec's.
func list(field string, i int, op kernel.Op) kernel.Attempt {
	return kernel.Attempt{Field: fmt.Sprintf("%s[%d]", field, i), Op: op}
}

// attempt is what it is to make a device.
func (n *node) attempt() kernel.Attempt {
	if !n.asked {
		return kernel.Attempt{Op: kernel.Op{Do: kernel.Mknod, Path: n.path}}
	}
	return list("linux.devices", n.index, kernel.Op{Do: kernel.Mknod, Path: n.path})
}

// owner is what it is to give that device away.
func (n *node) owner() kernel.Attempt {
	a := n.attempt()
	a.Op = kernel.Op{Do: kernel.Chown, Path: n.path, UIDs: []uint32{n.uid}, GIDs: []uint32{n.gid}}
	return a
}

// mapping is what it is to map the owners of a mount.
func mapping(source string) kernel.Attempt {
	return kernel.Attempt{Op: kernel.Op{Do: kernel.MapMount, Path: source}}
}
