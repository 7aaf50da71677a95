package kernel

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// idmapMount: the capability is asked for in the owner of the filesystem, which
// for everything the caller did not mount itself is the host.
func idmapMount(s *sight) (Cause, bool) {
	if !s.is(unix.EPERM) {
		return Cause{}, false
	}
	evidence := s.op.Path + " is not a filesystem of our user namespace"
	if !s.self.Has(unix.CAP_SYS_ADMIN) {
		evidence = "we do not hold CAP_SYS_ADMIN"
	}
	return fill(IDMapMount, nil, evidence), true
}

func idmapFilesystem(s *sight) (Cause, bool) {
	if !s.is(unix.EINVAL) {
		return Cause{}, false
	}
	evidence := s.op.Path
	if m, found := mountOf(s.mounts("self"), s.op.Path); found {
		evidence += " is on " + m.fstype
	}
	return fill(IDMapFilesystem, nil, evidence), true
}

// namespaceOwner asks who owns the namespace: the answer is EPERM where the
// owner lies outside of our own user namespace (ioctl_nsfs(2)).
func namespaceOwner(s *sight) (Cause, bool) {
	if !s.is(unix.EPERM) {
		return Cause{}, false
	}
	f, err := os.OpenFile(s.op.Path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return Cause{}, false
	}
	defer f.Close()
	owner, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_USERNS)
	if err != nil {
		return fill(NamespaceOwner, s.exeVars(), s.op.Path+" is owned outside of our user namespace"), true
	}
	defer unix.Close(owner)
	uid, err := unix.IoctlGetUint32(owner, unix.NS_GET_OWNER_UID)
	if err != nil {
		return Cause{}, false
	}
	return fill(NamespaceOwner, s.exeVars(), fmt.Sprintf("%s is owned by a user namespace of uid %d, we are uid %d", s.op.Path, uid, s.self.EUID)), true
}

// mountBelow: has_locked_children in fs/namespace.c.
func mountBelow(s *sight) (Cause, bool) {
	found := below(s.mounts("self"), s.op.Path)
	if !s.is(unix.EINVAL) || !s.nested() || s.op.Path == "" || len(found) == 0 {
		return Cause{}, false
	}
	return fill(MountBelow, nil, "below "+s.op.Path+" are the mounts "+some(found)), true
}
