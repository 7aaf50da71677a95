package kernel

import "golang.org/x/sys/unix"

// LandlockABI is the version of Landlock's interface that this kernel has, 0 where it has none or was booted without
// (landlock_create_ruleset(2), LANDLOCK_CREATE_RULESET_VERSION).
func (h Host) LandlockABI() int {
	if h.Landlock != nil {
		return h.Landlock()
	}
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(n)
}
