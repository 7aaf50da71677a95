package rootfs

import "golang.org/x/sys/unix"

// times are the access-time flags of mount(2) that a mount's options leave set. A word with "no" takes off what the word
// without it sets, and nothing else, as runc reads them.
type times uint64

var timeWords = map[string]struct{ set, clear times }{
	"noatime": {set: unix.MS_NOATIME}, "atime": {clear: unix.MS_NOATIME},
	"nodiratime": {set: unix.MS_NODIRATIME}, "diratime": {clear: unix.MS_NODIRATIME},
	"relatime": {set: unix.MS_RELATIME}, "norelatime": {clear: unix.MS_RELATIME},
	"strictatime": {set: unix.MS_STRICTATIME}, "nostrictatime": {clear: unix.MS_STRICTATIME},
}

// attribute is what do_mount of the kernel (fs/namespace.c) makes of the flags: none leaves a bind what its source has, and
// any decides about both the mode and that of directories. A mode that is not named is relatime.
func (s times) attribute() attribute {
	if s == 0 {
		return attribute{}
	}
	a := attribute{clear: unix.MOUNT_ATTR__ATIME | unix.MOUNT_ATTR_NODIRATIME}
	switch {
	case s&unix.MS_STRICTATIME != 0:
		a.set = unix.MOUNT_ATTR_STRICTATIME
	case s&unix.MS_NOATIME != 0:
		a.set = unix.MOUNT_ATTR_NOATIME
	}
	if s&unix.MS_NODIRATIME != 0 {
		a.set |= unix.MOUNT_ATTR_NODIRATIME
		a.clear &^= unix.MOUNT_ATTR_NODIRATIME
	}
	return a
}
