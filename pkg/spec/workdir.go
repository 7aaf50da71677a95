package spec

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/proc"
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
		b.paths.Take(dir.Path, dir)
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

// openWorkdir opens the working directory where nobody has yet.
func (b *builder) openWorkdir() error {
	if b.caller.Dir == nil && b.caller.Cwd != "" {
		b.caller.Dir = b.dir(b.caller.Cwd)
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
	if up, err := dir.Open(".."); err == nil {
		defer up.Close()
		if h.holds[up.ID] && h.names[filepath.Base(dir.Path)] {
			return "is a home directory"
		}
	}
	return ""
}

// forbid notes which directories are not to be shared, whatever the working directory is: homes, what they lie in, where
// all programs of the caller's meet with files and sockets, and where we write down of containers which hooks are to run
// outside. The first reason counts.
func (b *builder) forbid(h *homes) {
	b.forbidden = make(map[handle.ID]string, 32)
	note := func(id handle.ID, why string) {
		if b.forbidden[id] == "" {
			b.forbidden[id] = why
		}
	}
	above := func(dir *handle.Handle, why string) {
		b.above(dir, func(up *handle.Handle) bool {
			note(up.ID, why)
			return true
		})
	}
	for _, home := range h.own {
		note(home.ID, "is your home directory")
	}
	for _, home := range h.own {
		above(home, "contains your home directory")
	}
	if top := b.dir("/"); top != nil {
		note(top.ID, "is the whole host")
	}
	for _, c := range h.covers {
		if c.dir != nil {
			note(c.dir.ID, "contains home directories")
			above(c.dir, "contains home directories")
		}
	}
	var met []*handle.Handle
	for _, p := range append([]string{b.caller.RuntimeDir, "/dev/shm", "/run/user"}, scratchDirs...) {
		if dir := b.dir(p); dir != nil {
			note(dir.ID, fmt.Sprintf("is %s, where other programs have their files and sockets", p))
			met = append(met, dir)
		}
	}
	if proc.FewFiles() {
		b.paths.Rest(slices.DeleteFunc(met, h.has))
	}
	if dir, _ := b.stateRoot(); dir != nil { // or the next one above, where it is not there yet
		note(dir.ID, "holds the state of your containers")
		above(dir, "holds the state of your containers")
	}
}

// inState says whether a directory lies in the state of containers.
func (b *builder) inState(dir *handle.Handle) bool {
	state, missing := b.stateRoot()
	if state == nil || missing != "" {
		return false
	}
	_, in := b.lies(dir, state.ID)
	return in
}

// stateRoot is where the state of containers lies, or the first directory above that is there, and what is missing then.
func (b *builder) stateRoot() (dir *handle.Handle, missing string) {
	root := b.stateAt(b.caller.StateRoot)
	return root.dir, root.missing
}

// stateRoot is a directory in which the state of containers lies, or may lie one day.
type stateRoot struct {
	dir     *handle.Handle // itself, or the first one above that is there; nil is none
	missing string         // the way from there
	other   bool           // it is not this command's
}

func (b *builder) stateAt(path string) (root stateRoot) {
	for p := path; filepath.IsAbs(p); p = filepath.Dir(p) {
		if root.dir = b.dir(p); root.dir != nil || p == "/" {
			root.missing = strings.TrimPrefix(strings.TrimPrefix(path, p), "/")
			break
		}
	}
	return root
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
