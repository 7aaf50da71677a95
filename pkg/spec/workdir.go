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
	dir := b.caller.Dir
	switch {
	case dir == nil:
		b.notice("cwd-not-shared", "the working directory cannot be found: the command starts in /")
	case b.unshared(dir, h) == "":
		b.spec.Process.Cwd, b.shared = dir.Path, dir
		private = append(dropped(private, dir.Path), b.cwdMount(dir.Path))
	default:
		if b.kind(dir.Path) == unix.S_IFDIR && !b.kernels(dir.Path) {
			b.spec.Process.Cwd = dir.Path // it is there, just not writable or empty
		}
		b.notice("cwd-not-shared", "working directory %s is not shared with the command, it %s: share what it needs with -v DIR (short for -v DIR:DIR)", dir.Path, b.unshared(dir, h))
	}
	if w := b.wish.Workdir; w != "" {
		if !filepath.IsAbs(w) || strings.IndexByte(w, 0) >= 0 {
			return nil, fmt.Errorf("--workdir %q: must be an absolute path", w)
		}
		b.spec.Process.Cwd = filepath.Clean(w)
	}
	return private, nil
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
	same := func(path string) bool { id, ok := b.id(path); return ok && id == dir.ID }
	for _, home := range h.own {
		if same(home) {
			return "is your home directory"
		}
	}
	for _, home := range h.own {
		if b.above(dir, home) {
			return "contains your home directory"
		}
	}
	switch {
	case same("/"):
		return "is the whole host"
	case b.kernels(dir.Path) || kernelFS(dir.FD):
		return "belongs to the kernel"
	case h.holds[dir.ID]:
		return "contains home directories"
	}
	if id, ok := b.id(filepath.Dir(dir.Path)); ok && h.holds[id] && h.names[filepath.Base(dir.Path)] {
		return "is a home directory"
	}
	for _, c := range h.covers {
		if b.above(dir, c.path) {
			return "contains your home directory"
		}
	}
	return b.everybodys(dir)
}

// everybodys says whether all programs of the caller's meet in a directory, with sockets that do what they are told, or
// whether it has what we write down of containers, hooks that run outside among it.
func (b *builder) everybodys(dir *handle.Handle) string {
	for _, p := range append([]string{b.caller.RuntimeDir, "/dev/shm", "/run/user"}, scratchDirs...) {
		if id, ok := b.id(p); ok && id == dir.ID {
			return fmt.Sprintf("is %s, where other programs have their files and sockets", p)
		}
	}
	state := b.caller.StateRoot
	if state == "" {
		return ""
	}
	if id, ok := b.id(state); ok && id == dir.ID || b.above(dir, state) {
		return "holds the state of your containers"
	}
	if id, ok := b.id(state); ok {
		for p := filepath.Dir(dir.Path); ; p = filepath.Dir(p) {
			if have, ok := b.id(p); ok && have == id {
				return "is a part of the state of your containers"
			}
			if p == "/" {
				break
			}
		}
	}
	return ""
}

// above says whether dir is one of the directories that path lies in, whatever they are called.
func (b *builder) above(dir *handle.Handle, path string) bool {
	for p := path; p != "/"; {
		p = filepath.Dir(p)
		if id, ok := b.id(p); ok && id == dir.ID {
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
	switch int64(fs.Type) {
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
