package world

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/proc"
)

// Kinds are the namespaces by their name in the spec, with the flag and the
// file below /proc/PID/ns. The user namespace comes first: joining it is what
// gives the right to join the others. The pid namespace is last because it
// only takes effect for the next fork.
var Kinds = []struct {
	Name    specs.LinuxNamespaceType
	Flag    uintptr
	File    string
	Feature string
}{
	{specs.UserNamespace, unix.CLONE_NEWUSER, "user", "userns"},
	{specs.CgroupNamespace, unix.CLONE_NEWCGROUP, "cgroup", "cgroupns"},
	{specs.IPCNamespace, unix.CLONE_NEWIPC, "ipc", "ipcns"},
	{specs.UTSNamespace, unix.CLONE_NEWUTS, "uts", "utsns"},
	{specs.NetworkNamespace, unix.CLONE_NEWNET, "net", "netns"},
	{specs.MountNamespace, unix.CLONE_NEWNS, "mnt", "mountns"},
	{specs.TimeNamespace, unix.CLONE_NEWTIME, "time", "timens"},
	{specs.PIDNamespace, unix.CLONE_NEWPID, "pid", "pidns"},
}

// Join is a namespace that exists.
type Join struct {
	Flag uintptr
	Path string
	File *os.File
	// Outer is owned by a user namespace outside of the one that is joined as
	// well: it must be entered before, while we have our rights there.
	Outer bool
}

// Namespaces says which are made and which are joined.
type Namespaces struct {
	Fresh uintptr
	Joins []Join
}

// Open opens the joined ones. A path that is no namespace, or one of
// another type, is refused here, before anything exists.
func Open(s *specs.Spec, paths handle.Set) (Namespaces, error) {
	var n Namespaces
	if s.Linux == nil {
		return n, nil
	}
	var seen uintptr
	for _, kind := range Kinds {
		for i, ns := range s.Linux.Namespaces {
			if ns.Type != kind.Name {
				continue
			}
			err := fmt.Errorf("%s is given twice", ns.Type)
			if seen&kind.Flag == 0 {
				err = n.add(ns.Path, paths[ns.Path], kind.Flag, "/proc/self/ns/"+kind.File)
			}
			if err != nil {
				n.Close()
				return n, fmt.Errorf("linux.namespaces[%d].path: %w", i, err)
			}
			seen |= kind.Flag
		}
	}
	if len(s.Linux.TimeOffsets) > 0 && n.Fresh&unix.CLONE_NEWTIME == 0 {
		n.Close()
		// Offsets are for good once a process is in (time_namespaces(7)).
		return n, fmt.Errorf("linux.timeOffsets: can be set in a new time namespace only, and this one exists")
	}
	n.order()
	return n, nil
}

func (n *Namespaces) add(path string, of *handle.Handle, flag uintptr, ours string) error {
	if path == "" {
		n.Fresh |= flag
		return nil
	}
	f, err := openNamespace(path, of, flag)
	if err != nil {
		return err
	}
	if Same(f, ours) {
		// setns(2) into one's own user namespace is EINVAL, and into
		// any other of one's own it does nothing.
		f.Close()
		return nil
	}
	if flag == unix.CLONE_NEWNS && Same(f, "/proc/1/ns/mnt") {
		// pivot_root(2) moves everybody in the namespace whose root it was.
		f.Close()
		return fmt.Errorf("%s is the mount namespace of process 1, whose root the container's would replace", path)
	}
	n.Joins = append(n.Joins, Join{Flag: flag, Path: path, File: f})
	return nil
}

// order finds the namespaces that must be entered before the user namespace:
// those that neither it nor one below it owns, such as a network that root made
// for a container with a user namespace of its own.
func (n *Namespaces) order() {
	if !n.Joined(unix.CLONE_NEWUSER) {
		return
	}
	user := n.Joins[0].File // Kinds has it first
	for i := range n.Joins[1:] {
		n.Joins[1+i].Outer = !ownedBelow(n.Joins[1+i].File, user)
	}
}

// ownedBelow says whether a namespace is owned by a user namespace or by a
// descendant of it (ioctl_nsfs(2)).
func ownedBelow(f, user *os.File) bool {
	fd, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_USERNS)
	for err == nil {
		var a, b unix.Stat_t
		found := unix.Fstat(fd, &a) == nil && unix.Fstat(int(user.Fd()), &b) == nil && a.Ino == b.Ino && a.Dev == b.Dev
		var next int
		if !found {
			next, err = unix.IoctlRetInt(fd, unix.NS_GET_PARENT)
		}
		unix.Close(fd)
		if found {
			return true
		}
		fd = next
	}
	return false
}

// Close lets go of those that are joined.
func (n *Namespaces) Close() {
	for _, j := range n.Joins {
		j.File.Close()
	}
}

// Joined says whether one of a kind is joined.
func (n *Namespaces) Joined(flag uintptr) bool {
	for _, j := range n.Joins {
		if j.Flag == flag {
			return true
		}
	}
	return false
}

// openNamespace opens one by its path, or what was opened there before.
func openNamespace(path string, of *handle.Handle, flag uintptr) (*os.File, error) {
	at := path
	if of != nil {
		at = of.Name()
	}
	// O_NONBLOCK: the path is the spec's and could be a FIFO.
	f, err := os.OpenFile(at, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s is not a namespace", path)
	}
	if uintptr(kind) != flag {
		f.Close()
		return nil, fmt.Errorf("%s is a namespace of another type: %s, not %s", path, kindName(uintptr(kind)), kindName(flag))
	}
	return f, nil
}

func kindName(flag uintptr) specs.LinuxNamespaceType {
	for _, kind := range Kinds {
		if kind.Flag == flag {
			return kind.Name
		}
	}
	return "unknown"
}

// Same says whether f is the namespace that a /proc link names.
func Same(f *os.File, link string) bool {
	var a, b unix.Stat_t
	return unix.Fstat(int(f.Fd()), &a) == nil && unix.Stat(link, &b) == nil && a.Ino == b.Ino && a.Dev == b.Dev
}

// Foreign lists the namespaces in which pid differs from us, as flags for one
// setns(2) on its pidfd.
func Foreign(pid int) (uintptr, error) {
	var flags uintptr
	theirs, err := handle.Open(proc.Dir(pid) + "/ns")
	if err != nil {
		return 0, fmt.Errorf("look at the container's namespaces: %w", err)
	}
	defer theirs.Close()
	ours, err := handle.Open("/proc/self/ns")
	if err != nil {
		return 0, fmt.Errorf("look at our namespaces: %w", err)
	}
	defer ours.Close()
	var a, b [64]byte
	for _, kind := range Kinds {
		n, err := unix.Readlinkat(theirs.FD, kind.File, a[:])
		if errors.Is(err, unix.ENOENT) && kind.Flag == unix.CLONE_NEWTIME {
			continue // CONFIG_TIME_NS is off
		}
		if err != nil {
			return 0, fmt.Errorf("look at the container's namespaces: %w", &os.PathError{Op: "readlink", Path: theirs.Path + "/" + kind.File, Err: err})
		}
		m, err := unix.Readlinkat(ours.FD, kind.File, b[:])
		if err != nil {
			return 0, fmt.Errorf("look at our namespaces: %w", &os.PathError{Op: "readlink", Path: ours.Path + "/" + kind.File, Err: err})
		}
		if !bytes.Equal(a[:n], b[:m]) {
			flags |= kind.Flag
		}
	}
	return flags, nil
}
