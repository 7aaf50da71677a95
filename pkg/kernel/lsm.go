package kernel

import (
	"strings"

	"golang.org/x/sys/unix"
)

// SELinux reports whether SELinux labels processes here: its file system is
// there, which it makes when it has a policy (libselinux asks the same).
func (h Host) SELinux() bool { return read(h.sys("fs/selinux/enforce")) != "" }

// AppArmor reports whether AppArmor confines processes here. The parameter is
// the kernel's own word. Its directory in securityfs says no more: podman hides
// that from runtimes of containers with a user namespace, and means the profile
// all the same.
func (h Host) AppArmor() bool {
	return strings.HasPrefix(read(h.sys("module/apparmor/parameters/enabled")), "Y")
}

// AppArmorExec is the file below /proc/thread-self in which AppArmor expects
// the profile of the next exec. Its own directory came with LSM stacking (Linux
// 5.8); the older file belongs to whichever module claimed it.
func (h Host) AppArmorExec() string {
	if own := "attr/apparmor/exec"; h.isThere(h.proc("self/" + own)) {
		return own
	}
	return "attr/exec"
}

func (h Host) isThere(path string) bool {
	var st unix.Stat_t
	return h.stat(path, &st) == nil
}
