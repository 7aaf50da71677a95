package spec

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/handle"
	"sandbox/pkg/kernel"
	"sandbox/pkg/worktree"
)

// finding is what is looked for in the working directory while the rest of the wish is read.
type finding struct {
	own      gitConfig
	dotfiles []string
	guard    *worktree.Guard
}

// find begins to look. Nothing of b is changed by it but what comes out of the channel.
func (b *builder) find() {
	b.finding = make(chan finding, 1)
	ask := b.ask()
	go func() {
		f := finding{own: b.ownGitConfig(), dotfiles: b.dotfiles()}
		if b.shared != nil {
			ask.Own, ask.Dotfiles = f.own.files, f.dotfiles
			f.guard = worktree.Find(b.shared, ask)
		}
		b.finding <- f
	}()
}

// ask is what was typed about what may change. What -v names by itself is what was asked for.
func (b *builder) ask() worktree.Ask {
	ask := worktree.Ask{None: contains(b.wish.NoProtect, "all"), Binary: b.caller.Binary, May: b.mayShow, Home: b.caller.Home, Hidden: b.unseen(), Memory: b.memory(), Ours: append(b.ignores(), b.caller.Ours...), Path: b.path()}
	for _, p := range b.wish.Protect {
		ask.Protect = append(ask.Protect, b.abs(p))
	}
	for _, p := range b.wish.NoProtect {
		ask.Except = append(ask.Except, b.abs(p))
	}
	ask.Pinned = b.typedCovers()
	for _, v := range b.wish.Volumes {
		// `-v .git/hooks`, in its own place and for writing, is a wish for just that.
		source, rest, _ := strings.Cut(v, ":")
		destination, options, _ := strings.Cut(rest, ":")
		if path := b.abs(source); (destination == "" || filepath.Clean(destination) == path) && !contains(strings.Split(options, ","), "ro") && b.strictlyShared(path) {
			ask.Except = append(ask.Except, path)
		}
	}
	return ask
}

func (b *builder) unseen() map[handle.ID]bool {
	ids := map[handle.ID]bool{}
	for _, dir := range b.concealed {
		ids[dir.ID] = true
	}
	return ids
}

// strictlyShared says whether a path lies in the working directory, and is not all of it.
func (b *builder) strictlyShared(path string) bool {
	return b.shared != nil && path != b.shared.Path && under(path, b.shared.Path)
}

// mayShow says whether a directory above the shared one, or a git directory, may be shown.
func (b *builder) mayShow(dir *handle.Handle) bool {
	if b.forbidden[dir.ID] != "" || kernelFS(dir.FD) {
		return false
	}
	up, err := dir.Open("..")
	if err != nil {
		return false
	}
	defer up.Close()
	return !b.homes.holds[up.ID] || !b.homes.names[filepath.Base(dir.Now())]
}

// guard keeps what the command shares from acting outside when it has ended (pkg/worktree): the working directory, and
// each directory that -v adds for writing.
func (b *builder) guard() error {
	if !b.wish.Tree {
		covers, err := b.coverState()
		if err != nil {
			return err
		}
		b.spec.Mounts = append(b.spec.Mounts, covers...)
		b.tellHidden()
		return b.wholeCopies()
	}
	found := <-b.finding
	b.finding = nil
	var ours, last []specs.Mount
	var err error
	var guards []guardedDir
	if b.shared != nil {
		ours = b.guardWorkdir(found.guard)
		err = errors.Join(err, stays(found.guard))
		guards = append(guards, guardedDir{b.shared, found.guard})
	}
	for _, m := range b.theirs {
		if h := b.writable(m); h != nil {
			ask := b.ask()
			ask.Own, ask.Dotfiles, ask.Except = found.own.files, found.dotfiles, without(ask.Except, []string{m.Source})
			g := worktree.Find(h, ask)
			b.tellNames(g)
			err = errors.Join(err, stays(g))
			guards = append(guards, guardedDir{h, g})
			last = append(last, b.show(m.Destination, g.Inside)...)
			b.made(g)
		}
	}
	for _, m := range b.theirs {
		mounts, moved := b.around(m, guards)
		last, err = append(last, mounts...), errors.Join(err, moved)
	}
	if err != nil {
		return err
	}
	b.guards = guards
	covers, err := b.coverState()
	if err != nil {
		return err
	}
	last = append(last, covers...)
	b.tellHidden()
	theirs := b.spec.Mounts[len(b.ours):]
	private := append(b.spec.Mounts[b.base:len(b.ours):len(b.ours)], ours...)
	byDepth(private)
	b.spec.Mounts = append(append(append(b.spec.Mounts[:b.base:b.base], private...), theirs...), last...)
	b.gitFiles(found.own)
	return b.wholeCopies()
}

// guardedDir is a directory that is shared for writing, with its guard.
type guardedDir struct {
	dir *handle.Handle
	*worktree.Guard
}

// writable is the directory that a mount of the caller's shares for writing, nil for another mount.
func (b *builder) writable(m specs.Mount) *handle.Handle {
	if h := b.paths[m.Source]; m.Type == "bind" && h != nil && h.IsDir() && !contains(m.Options, "ro") && !contains(m.Options, "rro") {
		return h
	}
	return nil
}

// around protects what is guarded in other shared directories once more, where a mount shows it under a second name: the
// working directory in `-v ..:/mnt`. The directories on the way become mount points, and keep their names.
func (b *builder) around(m specs.Mount, guards []guardedDir) (mounts []specs.Mount, err error) {
	outer := b.writable(m)
	if outer == nil || contains(b.wish.NoProtect, "all") {
		return nil, nil
	}
	for _, g := range guards {
		levels, in := b.lies(g.dir, outer.ID)
		if !in || levels == 0 {
			continue
		}
		names := strings.Split(g.dir.Now(), "/")
		if len(names) <= levels {
			return nil, fmt.Errorf("%s is not where it was: try again", g.dir.Path)
		}
		var way []worktree.Part
		rel := ""
		for _, name := range names[len(names)-levels:] {
			rel = filepath.Join(rel, name)
			h, err := outer.Beneath(rel)
			if err != nil {
				return nil, fmt.Errorf("protect what lies in %s: %w", m.Source, err)
			}
			way = append(way, worktree.Part{Handle: h, Rel: rel})
		}
		if way[levels-1].ID != g.dir.ID {
			return nil, fmt.Errorf("%s is not where it was: try again", g.dir.Path)
		}
		way[levels-1].ReadOnly = g.InGit != ""
		mounts = append(mounts, b.show(m.Destination, g.Around(way, rel))...)
	}
	return mounts, nil
}

// stays says whether all could be looked at, and this program found where it lies.
func stays(g *worktree.Guard) error {
	if g.Moving != "" {
		if cause, blocked := (kernel.Host{}).Blocked("openat2"); blocked {
			return &kernel.Refusal{Cause: cause, Err: fmt.Errorf("%s cannot be protected from the command", g.Moving)}
		}
		return fmt.Errorf("%s cannot be protected from the command, for the directories above it are renamed all the time: end what does that", g.Moving)
	}
	if g.Closed != "" {
		return fmt.Errorf("%s is closed to you, so that what is in it cannot be protected from the command, which may open it: chmod u+rwx %[1]s, or --no-protect=%[1]s", worktree.Quote(g.Closed))
	}
	return nil
}

// emptyDir is a directory that stays empty.
func emptyDir(destination string) specs.Mount {
	return specs.Mount{Destination: destination, Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "noexec", "ro", "mode=0555"}}
}

// guardWorkdir guards the working directory, and shows git what it needs of the repository that this is a part of.
func (b *builder) guardWorkdir(g *worktree.Guard) (mounts []specs.Mount) {
	if g.InGit != "" && !contains(b.wish.NoProtect, "all") {
		b.notice("cwd-not-writable", "working directory %s is read-only for the command, it lies in %s, which git outside obeys: --no-protect=all lets it", b.shared.Path, g.InGit)
		if i := mountOn(b.spec.Mounts, b.shared.Path); i >= 0 && b.spec.Mounts[i].Type == "bind" {
			b.spec.Mounts[i].Options = []string{"rbind", "rprivate", "rro"}
		}
		g.Close()
		return nil
	}
	b.tellNames(g)
	if t := g.Tree; t != nil && b.wish.Cow {
		// As a whole: git looks for its directory in one file system.
		b.paths.Add(t.Path, t.Handle)
		b.spec.Mounts, b.ours = dropped(b.spec.Mounts, b.shared.Path), dropped(b.ours, b.shared.Path)
		mounts = append(mounts, overlayMount(t.Path, t.Path))
	} else if t != nil {
		b.paths.Add(t.Path, t.Handle)
		b.paths.Take(t.Path, t.Handle)
		mounts = append(mounts, specs.Mount{Destination: t.Path, Type: "bind", Source: t.Path, Options: []string{"rbind", "rprivate", "rro"}})
	}
	for _, d := range g.GitDirs {
		b.paths.Add(d.Path, d.Handle)
		if !b.wish.Cow {
			b.paths.Take(d.Path, d.Handle)
		}
		switch {
		case b.wish.Cow && g.Tree != nil && under(d.Path, g.Tree.Path):
			continue
		case b.wish.Cow:
			mounts = append(mounts, overlayMount(d.Path, d.Path))
			continue
		case b.wish.ReadOnly:
			mounts = append(mounts, specs.Mount{Destination: d.Path, Type: "bind", Source: d.Path, Options: []string{"rbind", "rprivate", "rro"}})
			continue
		}
		mounts = append(mounts, specs.Mount{Destination: d.Path, Type: "bind", Source: d.Path, Options: []string{"rbind", "rprivate", "rw"}})
		mounts = append(mounts, b.show(d.Path, d.Parts)...)
	}
	if b.wish.Cow || b.wish.ReadOnly {
		g.Close() // nothing of the command's stays
		return mounts
	}
	b.made(g)
	return append(mounts, b.show(b.shared.Path, g.Inside)...)
}

// tellNames tells of what is read-only by the name that it has here, and may be written by another one.
func (b *builder) tellNames(g *worktree.Guard) {
	for _, path := range g.Linked {
		b.notice("other-names", "%s has another name (a hard link), by which a command may change it: look for it with find -samefile", path)
	}
	if len(g.Dotfiles) > 0 {
		b.notice("dotfiles-not-writable", "links in your home lead to %s, which the command may therefore not write: --no-protect=PATH lets it", worktree.Some(g.Dotfiles))
	}
	if g.AllDots {
		b.notice("dotfiles-writable", "links in your home lead to this directory or one above: programs outside may act on what the command writes here")
	}
	if g.Whole > 0 {
		b.notice("clones-not-writable", "there are many clones here: git cannot write in %d of them: --no-protect=DIR/.git lets it in one", g.Whole)
	}
}

// show makes mount points of the parts of a directory that the container has at a path.
func (b *builder) show(at string, parts []worktree.Part) (mounts []specs.Mount) {
	for _, p := range parts {
		path := filepath.Join(at, p.Rel)
		b.paths.Show(path, p.Handle)
		if p.ReadOnly {
			b.spec.Linux.ReadonlyPaths = append(b.spec.Linux.ReadonlyPaths, path)
			continue
		}
		mounts = append(mounts, specs.Mount{Destination: path, Type: "bind", Source: path, Options: []string{"rbind", "rprivate"}})
	}
	return mounts
}

func (b *builder) made(g *worktree.Guard) {
	if b.caller.Made == nil {
		g.Close()
		return
	}
	b.caller.Made.Guards = append(b.caller.Made.Guards, g)
	for _, e := range g.Env() {
		name, _, _ := strings.Cut(e, "=")
		if !hasEnv(b.spec.Process.Env, name) {
			b.spec.Process.Env = append(b.spec.Process.Env, e)
			b.notice("hooks-not-installed", "%s is set for the command: the hooks it would install are read-only", e)
		}
	}
}

func hasEnv(env []string, name string) bool {
	for _, e := range env {
		if strings.HasPrefix(e, name+"=") {
			return true
		}
	}
	return false
}
