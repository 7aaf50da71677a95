package kernel

import (
	"strings"

	"golang.org/x/sys/unix"
)

// Stacked says that a mount (by its id) is an overlay of an overlay: no third one can lie on it, the kernel refuses it with
// EINVAL (FILESYSTEM_MAX_STACK_DEPTH in include/linux/fs.h). A layer that has no name here counts as none.
func (t *Table) Stacked(id uint64) bool {
	for _, m := range t.mounts {
		if uint64(m.id) != id || m.fstype != "overlay" {
			continue
		}
		for o := range strings.SplitSeq(m.super, ",") {
			if layers, ok := strings.CutPrefix(o, "lowerdir="); ok && onOverlay(layers) {
				return true
			}
		}
	}
	return false
}

// onOverlay says that one of the directories of an overlay's option lies on an overlay.
func onOverlay(layers string) bool {
	for layer := range strings.SplitSeq(unescape(layers), ":") {
		var fs unix.Statfs_t
		if layer != "" && unix.Statfs(layer, &fs) == nil && fs.Type == unix.OVERLAYFS_SUPER_MAGIC {
			return true
		}
	}
	return false
}
