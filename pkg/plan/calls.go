package plan

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// The system calls a container start is made of, each once, with names for
// its arguments. Paths inside a container are resolved by [Plan.OpenInRoot]
// and are fds from then on, never strings a second time.

// Cwd is AT_FDCWD as an argument.
func Cwd() Arg { return F(atCwd(), openFlags) }

func atCwd() uintptr { cwd := unix.AT_FDCWD; return uintptr(cwd) }

// OpenInRoot resolves path as if root were "/", whatever symbolic links it
// holds, and without /proc's magic links (openat2(2), Linux 5.6). A rename or
// mount anywhere on the machine, while the kernel goes through a "..", is
// EAGAIN: it could not be sure then. It is asked again.
func (p *Plan) OpenInRoot(root Reg, path string, flags int) *Step {
	again := p.Label("open again")
	p.Here(again)
	return p.openat2(R(root), path, flags, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS).On(unix.EAGAIN, again)
}

// OpenBeneath opens a path below dir that does not leave dir's mount: what is
// mounted over the file or on the way to it is an error.
func (p *Plan) OpenBeneath(dir Arg, path string, flags int) *Step {
	return p.openat2(dir, path, flags, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_XDEV|unix.RESOLVE_NO_MAGICLINKS)
}

func (p *Plan) openat2(dir Arg, path string, flags, resolve int) *Step {
	how := Longs(uint64(flags|unix.O_CLOEXEC), 0, uint64(resolve)).Show(func() string {
		return "{" + Names(openFlags).format(uintptr(flags|unix.O_CLOEXEC)) + ", " + Names(resolveFlags).format(uintptr(resolve)) + "}"
	})
	return p.Do("openat2", unix.SYS_OPENAT2, dir, S(path), M(how), C(len(how.Data)))
}

// Open opens a path of the caller's own tree; O_CLOEXEC is added.
func (p *Plan) Open(path string, flags int) *Step {
	return p.OpenAt(Cwd(), path, flags, 0)
}

// OpenBelow resolves path below dir, through whatever is mounted there, and
// follows no link.
func (p *Plan) OpenBelow(dir Reg, path string, flags int) *Step {
	again := p.Label("open again")
	p.Here(again)
	return p.openat2(R(dir), path, flags, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS).On(unix.EAGAIN, again)
}

// OpenInside is OpenBelow that follows links as long as they stay below dir; one
// that does not is EXDEV.
func (p *Plan) OpenInside(dir Reg, path string, flags int) *Step {
	again := p.Label("open again")
	p.Here(again)
	return p.openat2(R(dir), path, flags, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS).On(unix.EAGAIN, again)
}

// OpenOn is OpenBelow that keeps to the mount of dir.
func (p *Plan) OpenOn(dir Reg, path string, flags int) *Step {
	again := p.Label("open again")
	p.Here(again)
	return p.openat2(R(dir), path, flags, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_XDEV).On(unix.EAGAIN, again)
}

// Same refuses the file that fd is open on, with ESTALE, unless it is the one
// that had these numbers when what, in words, was looked at.
func (p *Plan) Same(fd Reg, what string, dev, ino uint64) {
	defer p.again(what)()
	// struct stat begins with st_dev and st_ino, 64 bits each, on every
	// architecture that has 64 bits.
	st := Bytes(make([]byte, 256)).Show(func() string { return "<stat>" })
	p.Do("fstat", unix.SYS_FSTAT, R(fd), M(st))
	for i, w := range []uint64{dev, dev >> 32, ino, ino >> 32} {
		p.Expect(st, 4*i, ^uint32(0), uint32(w), unix.ESTALE).Text = []string{
			"its device, low half", "its device, high half", "its inode, low half", "its inode, high half",
		}[i]
	}
}

// Again is what steps are about that must find a file which the parent has
// looked at, named in words.
type Again string

// again begins such steps, and returns what goes on with the act before.
func (p *Plan) again(what string) func() {
	act, about := p.act, p.what
	p.Act("find %s as it was when the start began", what)
	p.About(Again(what))
	return func() { p.act, p.what = act, about }
}

// OpenSame is OpenBelow of that file, to be used by its descriptor only.
func (p *Plan) OpenSame(dir Reg, path, what string, dev, ino uint64) Reg {
	defer p.again(what)()
	fd := p.OpenBelow(dir, path, unix.O_PATH).To("place")
	p.Same(fd, what, dev, ino)
	return fd
}

// MountRoot refuses a file, with ESTALE, that is not the root of a mount
// (STATX_ATTR_MOUNT_ROOT, Linux 5.8).
func (p *Plan) MountRoot(fd Reg, what string) {
	defer p.again(what)()
	// Offset and bit in struct statx, which has 256 bytes (statx(2)).
	const attributes = 8
	st := Bytes(make([]byte, 256)).Show(func() string { return "<status>" })
	p.Do("statx", unix.SYS_STATX, R(fd), S(""), C(unix.AT_EMPTY_PATH), C(unix.STATX_TYPE), M(st))
	off := attributes
	if bigEndian {
		off += 4 // the low half comes second
	}
	p.Expect(st, off, unix.STATX_ATTR_MOUNT_ROOT, unix.STATX_ATTR_MOUNT_ROOT, unix.ESTALE).Text = "a mount's root"
}

var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// ModeOf leaves the type and mode of a file in a register, as chmod(2) and its kin take it.
func (p *Plan) ModeOf(fd Reg) Reg {
	// Offset in struct statx: 16 bits, and 16 that are zero.
	off := 28
	if bigEndian {
		off -= 2 // the low half of a word comes second
	}
	st := Bytes(make([]byte, 256)).Show(func() string { return "<status>" })
	p.Do("statx", unix.SYS_STATX, R(fd), S(""), C(unix.AT_EMPTY_PATH), C(unix.STATX_MODE), M(st))
	return p.Get(st, off).To("mode")
}

// StatusOf leaves owner, group and mode of what has a name in a directory, a link itself, in registers; ids as this process
// sees them.
func (p *Plan) StatusOf(dir Reg, name string) (uid, gid, mode Reg) {
	off := 28 // see ModeOf
	if bigEndian {
		off -= 2
	}
	st := Bytes(make([]byte, 256)).Show(func() string { return "<status>" })
	p.Do("statx", unix.SYS_STATX, R(dir), S(name), C(unix.AT_SYMLINK_NOFOLLOW), C(unix.STATX_UID|unix.STATX_GID|unix.STATX_MODE), M(st))
	return p.Get(st, 20).To("uid"), p.Get(st, 24).To("gid"), p.Get(st, off).To("mode")
}

// OpenAt is openat(2); O_CLOEXEC is added.
func (p *Plan) OpenAt(dir Arg, path string, flags int, mode uint32) *Step {
	return p.Do("openat", unix.SYS_OPENAT, dir, S(path), F(uintptr(flags|unix.O_CLOEXEC), openFlags), C(int(mode)))
}

// Mkdirat is mkdirat(2).
func (p *Plan) Mkdirat(dir Arg, name string, mode uint32) *Step {
	return p.Do("mkdirat", unix.SYS_MKDIRAT, dir, S(name), C(int(mode)))
}

// Symlinkat is symlinkat(2).
func (p *Plan) Symlinkat(target string, dir Arg, name string) *Step {
	return p.Do("symlinkat", unix.SYS_SYMLINKAT, S(target), dir, S(name))
}

// Mknodat is mknodat(2).
func (p *Plan) Mknodat(dir Arg, name string, mode uint32, dev uint64) *Step {
	return p.Do("mknodat", unix.SYS_MKNODAT, dir, S(name), C(int(mode)), C(int(dev)))
}

// Fchownat changes the owner of the file fd itself.
func (p *Plan) Fchownat(fd Reg, uid, gid uint32) *Step {
	return p.Do("fchownat", unix.SYS_FCHOWNAT, R(fd), S(""), C(int(uid)), C(int(gid)), F(unix.AT_EMPTY_PATH, atFlags))
}

// Close closes an fd; plans with many mounts would else run into
// RLIMIT_NOFILE.
func (p *Plan) Close(fd Reg) *Step { return p.Do("close", unix.SYS_CLOSE, R(fd)) }

// Fsopen begins a new filesystem (Linux 5.2).
func (p *Plan) Fsopen(fstype string) *Step {
	return p.Do("fsopen", unix.SYS_FSOPEN, S(fstype), C(unix.FSOPEN_CLOEXEC))
}

// FsString sets one option of a filesystem being made.
func (p *Plan) FsString(fs Reg, key, value string) *Step {
	return p.Do("fsconfig", unix.SYS_FSCONFIG, R(fs), F(unix.FSCONFIG_SET_STRING, fsconfigCommands), S(key), S(value), C(0))
}

// FsFlag sets one option without a value.
func (p *Plan) FsFlag(fs Reg, key string) *Step {
	return p.Do("fsconfig", unix.SYS_FSCONFIG, R(fs), F(unix.FSCONFIG_SET_FLAG, fsconfigCommands), S(key), C(0), C(0))
}

// FsCreate makes the superblock.
func (p *Plan) FsCreate(fs Reg) *Step {
	return p.Do("fsconfig", unix.SYS_FSCONFIG, R(fs), F(unix.FSCONFIG_CMD_CREATE, fsconfigCommands), C(0), C(0), C(0))
}

// Fsmount makes a mount of it that is attached nowhere yet.
func (p *Plan) Fsmount(fs Reg, attr uint64) *Step {
	return p.Do("fsmount", unix.SYS_FSMOUNT, R(fs), C(unix.FSMOUNT_CLOEXEC), F(uintptr(attr), attrFlags))
}

// CloneTree copies the mount at path, with what is mounted below it when
// recursive, as a tree that is attached nowhere yet.
func (p *Plan) CloneTree(dir Arg, path string, recursive bool) *Step {
	flags := uintptr(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if path == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	return p.Do("open_tree", unix.SYS_OPEN_TREE, dir, S(path), F(flags, treeFlags))
}

// CloneLink is CloneTree of a symbolic link itself.
func (p *Plan) CloneLink(path string) *Step {
	flags := uintptr(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_SYMLINK_NOFOLLOW)
	return p.Do("open_tree", unix.SYS_OPEN_TREE, Cwd(), S(path), F(flags, treeFlags))
}

// MoveMount attaches the tree from at the place to, both fds.
func (p *Plan) MoveMount(from, to Reg) *Step {
	return p.Do("move_mount", unix.SYS_MOVE_MOUNT, R(from), S(""), R(to), S(""),
		F(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH, moveFlags))
}

// SetAttr changes the attributes of the mount at fd (mount_setattr(2), Linux
// 5.12): which to set, which to clear, and the propagation (0 leaves it).
func (p *Plan) SetAttr(fd Reg, set, clear, propagation uint64, recursive bool) *Step {
	attr := Longs(set, clear, propagation, 0).Show(func() string {
		s := "{set " + Names(attrFlags).format(uintptr(set))
		if clear != 0 {
			s += ", clear " + Names(attrFlags).format(uintptr(clear))
		}
		if propagation != 0 {
			s += ", " + Names(propagationFlags).format(uintptr(propagation))
		}
		return s + "}"
	})
	flags := uintptr(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	return p.Do("mount_setattr", unix.SYS_MOUNT_SETATTR, R(fd), S(""), F(flags, atFlags), M(attr), C(len(attr.Data)))
}

// SetIDMap shows the owners of files on the mount at fd through the id map of
// the user namespace that another fd names (MOUNT_ATTR_IDMAP, Linux 5.12). The
// mount must be attached nowhere yet.
func (p *Plan) SetIDMap(fd Reg, namespace int, recursive bool) *Step {
	p.Reserve(namespace)
	attr := Longs(unix.MOUNT_ATTR_IDMAP, 0, 0, uint64(namespace)).Show(func() string {
		return "{set MOUNT_ATTR_IDMAP of fd " + number(uintptr(namespace)) + "}"
	})
	flags := uintptr(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	return p.Do("mount_setattr", unix.SYS_MOUNT_SETATTR, R(fd), S(""), F(flags, atFlags), M(attr), C(len(attr.Data)))
}

// Fspick begins the change of a mounted filesystem's options.
func (p *Plan) Fspick(at Reg) *Step {
	return p.Do("fspick", unix.SYS_FSPICK, R(at), S(""), C(unix.FSPICK_CLOEXEC|unix.FSPICK_EMPTY_PATH))
}

// FsReconfigure makes the changed options count.
func (p *Plan) FsReconfigure(fs Reg) *Step {
	return p.Do("fsconfig", unix.SYS_FSCONFIG, R(fs), F(unix.FSCONFIG_CMD_RECONFIGURE, fsconfigCommands), C(0), C(0), C(0))
}

// Propagation changes the propagation of the mount at an absolute path of the
// current root: mount(2) with MS_PRIVATE and its kin, optionally MS_REC.
func (p *Plan) Propagation(path string, flags uintptr) *Step {
	return p.Do("mount", unix.SYS_MOUNT, C(0), S(path), C(0), F(flags, propagationFlags), C(0))
}

// Setns joins the namespaces that fd names (a namespace file, or a pidfd with
// several types, Linux 5.8).
func (p *Plan) Setns(fd Arg, types uintptr) *Step {
	p.Private = p.Private || types&unix.CLONE_NEWTIME != 0
	return p.Do("setns", unix.SYS_SETNS, fd, F(types, namespaceFlags))
}

// Unshare is unshare(2).
func (p *Plan) Unshare(types uintptr) *Step {
	p.Private = p.Private || types&unix.CLONE_NEWTIME != 0
	return p.Do("unshare", unix.SYS_UNSHARE, F(types, namespaceFlags))
}

// Fork makes a second process that goes on with the next step while the first
// goes to the label. It is a brother of the first (CLONE_PARENT), so the
// process that runs the plan waits for it and no process stays in between.
func (p *Plan) Fork(types uintptr, first Label) *Step {
	flags := types | unix.CLONE_PARENT | uintptr(unix.SIGCHLD)
	return p.Do("clone", unix.SYS_CLONE, F(flags, namespaceFlags), C(0), C(0), C(0), C(0)).IfNonzero(first)
}

// ForkChild makes a child that goes on with the next step while its parent
// goes to the label. The parent stays, in the container: whoever may trace it
// there could write to our memory, were it the same, so it gets its own.
func (p *Plan) ForkChild(parent Label) *Step {
	p.Private = true
	return p.Do("clone", unix.SYS_CLONE, F(uintptr(unix.SIGCHLD), namespaceFlags), C(0), C(0), C(0), C(0)).IfNonzero(parent)
}

// CloseFrom closes first and every fd after it, or with CLOSE_RANGE_CLOEXEC
// leaves that to the exec (close_range(2), Linux 5.9 and 5.11).
func (p *Plan) CloseFrom(first int, flags int) *Step {
	return p.Do("close_range", unix.SYS_CLOSE_RANGE, C(first), C(-1), C(flags))
}

// Exit ends the process that gets here.
func (p *Plan) Exit(code int) { p.Do("exit_group", unix.SYS_EXIT_GROUP, C(code)) }

// Prctl is prctl(2).
func (p *Plan) Prctl(option int, args ...Arg) *Step {
	all := append([]Arg{F(uintptr(option), prctlOptions)}, args...)
	for len(all) < 5 {
		all = append(all, C(0))
	}
	return p.Do("prctl", unix.SYS_PRCTL, all...)
}

// Chdir is chdir(2).
func (p *Plan) Chdir(path string) *Step { return p.Do("chdir", unix.SYS_CHDIR, S(path)) }

// Fchdir is fchdir(2).
func (p *Plan) Fchdir(fd Reg) *Step { return p.Do("fchdir", unix.SYS_FCHDIR, R(fd)) }

// Dup2 makes to another name of fd, not closed at exec (dup3(2), which unlike
// dup2(2) every architecture has; the two numbers must differ).
func (p *Plan) Dup2(fd Reg, to int) *Step { return p.Do("dup3", unix.SYS_DUP3, R(fd), C(to), C(0)) }

// Ioctl is ioctl(2).
func (p *Plan) Ioctl(name string, fd Reg, request uint, arg Arg) *Step {
	return p.Do("ioctl", unix.SYS_IOCTL, R(fd), F(uintptr(request), func() []Flag { return []Flag{{uintptr(request), name}} }), arg)
}

// WriteFile writes data to an existing file in one write(2), as the files of
// /proc want it.
func (p *Plan) WriteFile(dir Arg, path, data string, tolerate ...unix.Errno) {
	done := p.Label("after " + path)
	open := p.OpenAt(dir, path, unix.O_WRONLY, 0)
	fd := open.To("file")
	write := p.Do("write", unix.SYS_WRITE, R(fd), M(CString(data)), C(len(data)))
	for _, e := range tolerate {
		open.On(e, done)
		write.On(e, done)
	}
	p.Close(fd)
	p.Here(done)
}

// CloseNumber closes an fd whose number is known.
func (p *Plan) CloseNumber(fd int) *Step { return p.Do("close", unix.SYS_CLOSE, C(fd)) }
