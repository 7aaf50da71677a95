package kernel

import (
	"strings"

	"golang.org/x/sys/unix"
)

func overlayMissing(s *sight) (Cause, bool) {
	// /proc/filesystems lists modules only after they were loaded, so it is
	// evidence together with ENODEV only: the mount itself asks for the module.
	known := read(s.proc("filesystems"))
	if !s.is(unix.ENODEV) || !hasFilesystem(known, "proc") || hasFilesystem(known, "overlay") {
		return Cause{}, false
	}
	return fill(OverlayMissing, nil, "overlay is not in /proc/filesystems", "this is Linux "+s.release()), true
}

func hasFilesystem(list, name string) bool {
	for line := range strings.Lines(list) {
		if words := strings.Fields(line); len(words) > 0 && words[len(words)-1] == name {
			return true
		}
	}
	return false
}

// overlayNested comes before overlayLower: the kernel looks at the upper side
// first.
func overlayNested(s *sight) (Cause, bool) {
	m, found := mountOf(s.mounts("self"), s.op.Upper)
	if s.op.Upper == "" || !found || !s.is(unix.EINVAL) || m.fstype != "overlay" {
		return Cause{}, false
	}
	return fill(OverlayNested, []string{"PATH", shellWord(s.op.Upper)}, s.op.Upper+" is on the overlay mounted at "+m.point), true
}

func overlayLower(s *sight) (Cause, bool) {
	if !s.is(unix.EINVAL) || !s.nested() {
		return Cause{}, false
	}
	all := s.mounts("self")
	for _, dir := range s.op.Lower {
		if inner := below(all, dir); len(inner) > 0 {
			return fill(OverlayLower, []string{"PATH", shellWord(dir)}, "below "+dir+" are the mounts "+some(inner)), true
		}
	}
	return Cause{}, false
}

// overlayUpper: file systems without user xattrs, without d_type or with
// dentries that a server may revoke (ovl_mount_dir_check, ovl_dentry_remote).
func overlayUpper(s *sight) (Cause, bool) {
	m, found := mountOf(s.mounts("self"), s.op.Upper)
	if s.op.Upper == "" || !found || !s.is(unix.EINVAL, unix.EOPNOTSUPP, unix.EPERM) || !unfitForUpper(m.fstype) {
		return Cause{}, false
	}
	return fill(OverlayUpper, nil, s.op.Upper+" is on "+m.fstype+" mounted at "+m.point), true
}

func unfitForUpper(fstype string) bool {
	switch base, _, _ := strings.Cut(fstype, "."); base {
	case "nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "afs", "cifs", "smb3", "9p", "fuse", "fuseblk", "vfat", "msdos", "exfat", "ntfs3", "ecryptfs":
		return true
	}
	return false
}
