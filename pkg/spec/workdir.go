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
	_ = b.eachState(func(root stateRoot) error {
		note(root.dir.ID, holdsState)
		above(root.dir, holdsState)
		if root.missing == "" {
			b.states = append(b.states, root.dir.ID)
		}
		b.onWay(root, func(dir *handle.Handle) { note(dir.ID, holdsState) })
		return nil
	})
}

const holdsState = "holds the state of your containers"

// inState says whether a directory lies in the state of containers.
func (b *builder) inState(dir *handle.Handle) bool {
	return slices.ContainsFunc(b.states, func(state handle.ID) bool {
		_, in := b.lies(dir, state)
		return in
	})
}

// stateRoot is where the state of containers lies, or the first directory above that is there, and what is missing then.
func (b *builder) stateRoot() (dir *handle.Handle, missing string) {
	root := b.stateAt(b.caller.StateRoot, b.dir)
	return root.dir, root.missing
}

// eachState calls for the state roots that are there, or that somebody could make who can write where the caller can: this
// command's, and those of other commands of the caller's, which are let go again.
func (b *builder) eachState(do func(stateRoot) error) error {
	if root := b.stateAt(b.caller.StateRoot, b.dir); root.dir != nil {
		if err := do(root); err != nil {
			return err
		}
	}
	for _, path := range b.caller.StateRoots {
		if path == b.caller.StateRoot {
			continue
		}
		root := b.stateAt(path, b.look)
		if root.dir == nil {
			continue
		}
		root.other = true
		err := b.doOther(root, do)
		root.dir.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) doOther(root stateRoot, do func(stateRoot) error) error {
	var st unix.Stat_t
	if strings.Contains(root.missing, "/") && unix.Fstat(root.dir.FD, &st) == nil && !b.foreign(root.dir.Path, &st) {
		return nil // /run/user/UID, which nobody but root can make
	}
	return do(root)
}

// look is dir for one that is closed again soon.
func (b *builder) look(path string) *handle.Handle {
	h, err := b.open(path)
	if err != nil {
		return nil
	}
	if h.Path = b.offHost(h.Now()); !h.IsDir() {
		h.Close()
		return nil
	}
	return h
}

// onWay calls for the directories that a state root lies in by its path as it is written: a link may be in one of them.
func (b *builder) onWay(root stateRoot, do func(*handle.Handle)) {
	for p := filepath.Dir(root.path); len(p) > 1; p = filepath.Dir(p) {
		if dir := b.look(p); dir != nil {
			do(dir)
			dir.Close()
		}
	}
}

// stateRoot is a directory in which the state of containers lies, or may lie one day.
type stateRoot struct {
	path    string         // as it is written
	dir     *handle.Handle // itself, or the first one above that is there; nil is none
	missing string         // the way from there
	other   bool           // it is not this command's
}

func (b *builder) stateAt(path string, open func(string) *handle.Handle) (root stateRoot) {
	root.path = path
	for p := path; filepath.IsAbs(p); p = filepath.Dir(p) {
		if root.dir = open(p); root.dir != nil || p == "/" {
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
