package spec

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// workdir adds the working directory to the private mounts unless that would show what they hide, and sets where the
// payload starts. It is decided about by its descriptor, which is what is shared then.
func (b *builder) workdir(private []specs.Mount, h *homes) ([]specs.Mount, error) {
	b.spec.Process.Cwd = "/"
	dir, why := b.caller.Dir, ""
	if dir != nil {
		if why = b.unshared(dir, h); why == "" && b.inState(dir) {
			why = "is a part of the state of your containers"
		}
	}
	switch {
	case dir == nil:
		b.notice("cwd-not-shared", "the working directory cannot be found: the command starts in /")
	case why == "":
		b.spec.Process.Cwd, b.shared = dir.Path, dir
		private = append(dropped(private, dir.Path), b.cwdMount(dir.Path))
		private = append(private, b.kernelBelow(dir.Path)...)
	default:
		if b.kind(dir.Path) == unix.S_IFDIR && !b.kernels(dir.Path) {
			b.spec.Process.Cwd = dir.Path // it is there, just not writable or empty
		}
		b.notice("cwd-not-shared", "working directory %s is not shared with the command, it %s: share what it needs with -v DIR (short for -v DIR:DIR)", dir.Path, why)
	}
	if w := b.wish.Workdir; w != "" {
		if !filepath.IsAbs(w) || strings.IndexByte(w, 0) >= 0 {
			return nil, fmt.Errorf("--workdir %q: must be an absolute path", w)
		}
		b.spec.Process.Cwd = filepath.Clean(w)
	}
	return private, nil
}

// kernelBelow covers what of the kernel is mounted in a directory that is shared, a chroot say: with /proc of the host's own
// processes root has the host.
func (b *builder) kernelBelow(dir string) (mounts []specs.Mount) {
	if b.caller.Mounts == nil || b.wish.Cow { // a copy has no mounts below
		return nil
	}
	points := b.caller.Mounts.KernelMounts(dir)
	for _, p := range points {
		mounts = append(mounts, emptyDir(p))
	}
	if len(points) > 0 {
		b.notice("kernel-not-shared", "not shared with the command, for they belong to the kernel: %s; -v PATH shares one", strings.Join(shorten(points, 6), " "))
	}
	return mounts
}

// openWorkdir opens the working directory where nobody has yet.
func (b *builder) openWorkdir() error {
	if b.caller.Dir == nil && b.caller.Cwd != "" {
		if dir := b.realDir(b.caller.Cwd); dir != "" {
			var err error
			if b.caller.Dir, err = b.open(dir); err != nil && !errors.Is(err, unix.ENOENT) {
				return err
			}
		}
	}
	if b.caller.Dir != nil {
		b.caller.Cwd = b.caller.Dir.Path
		b.paths.Add(b.caller.Cwd, b.caller.Dir)
	}
	return nil
}

// unshared says why a directory cannot be shown as it is, "" for one that can. Whatever name it goes by.
func (b *builder) unshared(dir *handle.Handle, h *homes) string {
	if b.forbidden == nil {
		b.forbid(h)
	}
	if why := b.forbidden[dir.ID]; why != "" {
		return why
	}
	if b.kernels(dir.Path) || kernelFS(dir.FD) {
		return "belongs to the kernel"
	}
	if id, ok := b.id(filepath.Dir(dir.Path)); ok && h.holds[id] && h.names[filepath.Base(dir.Path)] {
		return "is a home directory"
	}
	return ""
}

// forbid notes which directories are not to be shared, whatever the working directory is: homes, what they lie in, where
// all programs of the caller's meet with files and sockets, and where we write down of containers which hooks are to run
// outside. The first reason counts.
func (b *builder) forbid(h *homes) {
	b.forbidden = make(map[handle.ID]string, 32)
	note := func(path, why string) {
		if id, ok := b.id(path); ok && b.forbidden[id] == "" {
			b.forbidden[id] = why
		}
	}
	above := func(path, why string) {
		for path != "/" && filepath.IsAbs(path) {
			path = filepath.Dir(path)
			note(path, why)
		}
	}
	for _, home := range h.own {
		note(home, "is your home directory")
	}
	for _, home := range h.own {
		above(home, "contains your home directory")
	}
	note("/", "is the whole host")
	for _, c := range h.covers {
		note(c.path, "contains home directories")
		above(c.path, "contains home directories")
	}
	for _, p := range append([]string{b.caller.RuntimeDir, "/dev/shm", "/run/user"}, scratchDirs...) {
		note(p, fmt.Sprintf("is %s, where other programs have their files and sockets", p))
	}
	if b.caller.StateRoot != "" {
		note(b.caller.StateRoot, "holds the state of your containers")
		above(b.caller.StateRoot, "holds the state of your containers")
	}
}

// inState says whether a directory lies in the state of containers.
func (b *builder) inState(dir *handle.Handle) bool {
	state, ok := b.id(b.caller.StateRoot)
	for p := dir.Path; ok && p != "/"; {
		p = filepath.Dir(p)
		if id, found := b.id(p); found && id == state {
			return true
		}
	}
	return false
}

// kernelFS says whether a directory is in a file system through which the kernel is told things.
func kernelFS(fd int) bool {
	var fs unix.Statfs_t
	if unix.Fstatfs(fd, &fs) != nil {
		return false
	}
	switch int64(fs.Type) { //nolint:unconvert // 32 bits on other architectures
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC,
		unix.SECURITYFS_MAGIC, unix.SELINUX_MAGIC, unix.DEVPTS_SUPER_MAGIC, unix.BPF_FS_MAGIC, unix.EFIVARFS_MAGIC, unix.NSFS_MAGIC:
		return true
	}
	return false
}

func (b *builder) cwdMount(cwd string) specs.Mount {
	if b.wish.Cow {
		return overlayMount(cwd, cwd)
	}
	m := specs.Mount{Destination: cwd, Type: "bind", Source: cwd, Options: []string{"rbind", "rprivate", "rw"}}
	if b.wish.ReadOnly {
		m.Options[2] = "rro"
	}
	return m
}
