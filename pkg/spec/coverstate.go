package spec

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// coverState hides the state of containers, with the hooks that we run for them, from what -v shares: that of this command,
// and of any other that has another environment. What is not there yet is made, for else a command could, and write down
// hooks. The cover stays where it is, for a mount point cannot be renamed; a directory above it could, and another be made for
// the next `delete` to find.
func (b *builder) coverState() (mounts []specs.Mount, err error) {
	covered := map[string]bool{}
	if len(b.theirs) == 0 {
		return nil, nil
	}
	err = b.eachState(func(root stateRoot) error {
		for _, m := range b.theirs {
			at, err := b.coverIn(m, root)
			if err != nil {
				return err
			}
			if at != "" && !covered[at] {
				covered[at] = true
				mounts = append(mounts, emptyDir(at))
			}
		}
		return nil
	})
	return mounts, err
}

// coverIn is the place of the cover in a mount, "" where it shows nothing of such a state root.
func (b *builder) coverIn(m specs.Mount, root stateRoot) (at string, err error) {
	source, copied := b.paths[m.Source], m.Type == "overlay"
	if copied {
		source = b.copied(m)
	}
	if m.Type != "bind" && !copied || source == nil || !source.IsDir() {
		return "", nil
	}
	if _, in := b.lies(source, root.dir.ID); in && root.missing == "" {
		b.notice("state-not-shared", "%s is not shared with the command, it is the state of your containers", m.Source)
		return m.Destination, nil
	}
	writable := !copied && !contains(m.Options, "ro") && !contains(m.Options, "rro")
	levels, in := b.lies(root.dir, source.ID)
	if !in {
		if writable && b.wayIn(root, source) {
			return "", fmt.Errorf("%s cannot be shared for writing: the way to the state of your containers, %s, leads through it by a link, and the command could lead it elsewhere: name another --root", m.Source, root.path)
		}
		return "", nil
	}
	way := strings.Split(root.dir.Path, "/")
	rel := filepath.Join(filepath.Join(way[len(way)-levels:]...), root.missing)
	if strings.Contains(rel, "/") && writable && b.movable(root, levels) {
		return "", fmt.Errorf("%s cannot be shared for writing: the state of your containers is in %s below it, and the command could put another in its place: share what it needs of that directory, or name another --root", m.Source, rel)
	}
	at = filepath.Join(m.Destination, rel)
	switch {
	case root.missing == "" && !copied: // a copy has numbers of its own
		own, err := root.dir.Dup()
		if err != nil {
			return "", err
		}
		b.paths.Cover(at, own)
	case root.missing == "":
	case copied:
		return "", nil // there is nothing in it to see
	case root.other && b.caller.Made != nil:
		b.caller.Made.Dirs = append(b.caller.Made.Dirs, filepath.Join(root.dir.Path, root.missing))
	}
	return at, nil
}

// wayIn says whether a name on the way to a state root, as it is written, lies in a directory: a link there may be made to lead
// elsewhere.
func (b *builder) wayIn(root stateRoot, shared *handle.Handle) (found bool) {
	b.onWay(root, func(dir *handle.Handle) {
		_, in := b.lies(dir, shared.ID)
		found = found || in
	})
	return found
}

// movable says whether a command could rename a directory on the way to a state root, so many levels below what is shared; what
// is covered itself it cannot. In the host's tree that is taken for granted; whoever shares /run with a root of its own shares
// what only the host's root renames.
func (b *builder) movable(root stateRoot, levels int) bool {
	if b.wish.Tree || strings.Contains(root.missing, "/") {
		return true
	}
	foreign, covered := false, root.missing == ""
	b.above(root.dir, func(up *handle.Handle) bool {
		var st unix.Stat_t
		foreign = unix.Fstat(up.FD, &st) != nil || !covered && b.foreign(up.Now(), &st)
		covered = false
		levels--
		return levels > 0 && !foreign
	})
	return foreign
}
