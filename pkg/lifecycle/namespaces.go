package lifecycle

import (
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/proc"
)

// kinds are the namespaces by their name in the spec, with the flag and the
// file below /proc/PID/ns. The user namespace comes first: joining it is what
// gives the right to join the others. The pid namespace is last because it
// only takes effect for the next fork.
var kinds = []struct {
	name    specs.LinuxNamespaceType
	flag    uintptr
	file    string
	feature string
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

// join is a namespace that exists.
type join struct {
	flag uintptr
	path string
	file *os.File
	// outer is owned by a user namespace outside of the one that is joined as
	// well: it must be entered before, while we have our rights there.
	outer bool
}

// namespaces says which are made and which are joined.
type namespaces struct {
	fresh uintptr
	joins []join
}

// openNamespaces opens the joined ones. A path that is no namespace, or one of
// another type, is refused here, before anything exists.
func openNamespaces(s *specs.Spec, paths handle.Set) (namespaces, error) {
	var n namespaces
	if s.Linux == nil {
		return n, nil
	}
	var seen uintptr
	for _, kind := range kinds {
		for i, ns := range s.Linux.Namespaces {
			if ns.Type != kind.name {
				continue
			}
			err := fmt.Errorf("%s is given twice", ns.Type)
			if seen&kind.flag == 0 {
				err = n.add(ns.Path, paths[ns.Path], kind.flag, "/proc/self/ns/"+kind.file)
			}
			if err != nil {
				n.close()
				return n, fmt.Errorf("linux.namespaces[%d].path: %w", i, err)
			}
			seen |= kind.flag
		}
	}
	if len(s.Linux.TimeOffsets) > 0 && n.fresh&unix.CLONE_NEWTIME == 0 {
		n.close()
		// Offsets are for good once a process is in (time_namespaces(7)).
		return n, fmt.Errorf("linux.timeOffsets: can be set in a new time namespace only, and this one exists")
	}
	n.order()
	return n, nil
}

func (n *namespaces) add(path string, of *handle.Handle, flag uintptr, ours string) error {
	if path == "" {
		n.fresh |= flag
		return nil
	}
	f, err := openNamespace(path, of, flag)
	if err != nil {
		return err
	}
	if same(f, ours) {
		// setns(2) into one's own user namespace is EINVAL, and into
		// any other of one's own it does nothing.
		f.Close()
		return nil
	}
	if flag == unix.CLONE_NEWNS && same(f, "/proc/1/ns/mnt") {
		// pivot_root(2) moves everybody in the namespace whose root it was.
		f.Close()
		return fmt.Errorf("%s is the mount namespace of process 1, whose root the container's would replace", path)
	}
	n.joins = append(n.joins, join{flag: flag, path: path, file: f})
	return nil
}

// order finds the namespaces that must be entered before the user namespace:
// those that neither it nor one below it owns, such as a network that root made
// for a container with a user namespace of its own.
func (n *namespaces) order() {
	if !n.joined(unix.CLONE_NEWUSER) {
		return
	}
	user := n.joins[0].file // kinds has it first
	for i := range n.joins[1:] {
		n.joins[1+i].outer = !ownedBelow(n.joins[1+i].file, user)
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

func (n *namespaces) close() {
	for _, j := range n.joins {
		j.file.Close()
	}
}

func (n *namespaces) joined(flag uintptr) bool {
	for _, j := range n.joins {
		if j.flag == flag {
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
	for _, kind := range kinds {
		if kind.flag == flag {
			return kind.name
		}
	}
	return "unknown"
}

// same says whether f is the namespace that a /proc link names.
func same(f *os.File, link string) bool {
	var a, b unix.Stat_t
	return unix.Fstat(int(f.Fd()), &a) == nil && unix.Stat(link, &b) == nil && a.Ino == b.Ino && a.Dev == b.Dev
}

// foreign lists the namespaces in which pid differs from us, as flags for one
// setns(2) on its pidfd.
func foreign(pid int) (uintptr, error) {
	var flags uintptr
	dir := proc.Dir(pid) + "/ns/"
	for _, kind := range kinds {
		theirs, err := os.Readlink(dir + kind.file)
		if os.IsNotExist(err) && kind.flag == unix.CLONE_NEWTIME {
			continue // CONFIG_TIME_NS is off
		}
		if err != nil {
			return 0, fmt.Errorf("look at the container's namespaces: %w", err)
		}
		ours, err := os.Readlink("/proc/self/ns/" + kind.file)
		if err != nil {
			return 0, fmt.Errorf("look at our namespaces: %w", err)
		}
		if ours != theirs {
			flags |= kind.flag
		}
	}
	return flags, nil
}
