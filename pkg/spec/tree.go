package spec

import (
	"fmt"
	"path/filepath"
	"sort"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// tree is the form without any image: this host's tree, read-only, with the caller's working directory on
// top as it is, and an empty throw-away directory in place of the caller's home.
func (b *builder) tree() error {
	b.spec.Root = &specs.Root{Path: "/", Readonly: true}
	homes := b.everybody()
	for _, dir := range homes.system {
		b.notice("home-not-hidden", "home directory %s belongs to the system: it is not hidden from the command", dir)
	}
	base := []specs.Mount{{
		// A mount on "/" becomes the root. rprivate, not rslave: a mount that the host makes
		// later (autofs, a USB stick) would arrive here writable.
		Destination: "/", Type: "bind", Source: "/", Options: []string{"rbind", "rro", "rnodev", "rprivate"},
	}, b.procMount()}
	if b.network.private() {
		base = append(base, sysMount()) // else the host's /sys stays, read-only like all of the tree
	}
	if b.cgroupsShown() {
		base = append(base, b.cgroupsMount())
	}
	base = append(base, b.kernelMounts()[1:]...)
	// Shallow before deep: a working directory of /var must not uncover /var/tmp, one of
	// /tmp/x must not be covered by /tmp.
	private := append(b.scratch(), b.coverMounts(homes)...)
	private, err := b.workdir(private, homes)
	if err != nil {
		return err
	}
	byDepth(private)
	b.base = len(base)
	if b.forbidden == nil {
		b.forbid(homes) // there is no working directory
	}
	b.find()
	b.ours = append(base, private...)
	if !b.network.private() {
		b.ours = append(b.ours, b.resolver()...)
	}
	// bubblewrap does not mask either. Without any capability over the host there is nothing in these
	// files that the caller could not read or write anyway, and a sandbox inside of this one needs a
	// /proc with nothing mounted over it (mount_too_revealing in fs/namespace.c).
	if b.hostRootReachable() {
		b.hideKernel()
	}
	return nil
}

// scratchDirs are the shared writable directories of every host. /var/run is one where it is not the usual link to /run.
var scratchDirs = []string{"/tmp", "/var/tmp", "/run", "/var/run"}

// scratch replaces them by private empty ones: only where the host has a real directory, for there is no place to mount on
// in a read-only tree, and a link leads to one that has its own turn.
func (b *builder) scratch() (mounts []specs.Mount) {
	for _, path := range scratchDirs {
		if b.kind(path) != unix.S_IFDIR {
			continue
		}
		mode := "mode=1777"
		if filepath.Base(path) == "run" {
			mode = "mode=755"
		}
		mounts = append(mounts, specs.Mount{Destination: path, Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", mode}})
	}
	return mounts
}

// coverMounts are the empty directories in place of homes, and of what holds them.
func (b *builder) coverMounts(h *homes) (mounts []specs.Mount) {
	own := []string{"nosuid", "nodev", "mode=0700"}
	if u := b.spec.Process.User; u.UID != 0 || u.GID != 0 {
		own = append(own, fmt.Sprintf("uid=%d", u.UID), fmt.Sprintf("gid=%d", u.GID))
	}
	for _, c := range h.covers {
		m := emptyRoom(c.path)
		if c.home {
			m.Options = own
		}
		if c.dir != nil {
			b.paths.Cover(c.path, c.dir)
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// emptyRoom is an empty directory of root's, in which there may be places to mount on.
func emptyRoom(path string) specs.Mount {
	return specs.Mount{Destination: path, Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=0755"}}
}

// overlayMount is a copy-on-write view of dir. An overlay without an upperdir is our extension of the
// format: it gets a private upper directory that ends with the container. Layers are separated by
// colons, and the kernel takes a backslash before any character away. It is a mount of its own, with flags of its own: those of
// the mount that dir lies on do not count, so it has what -v gives.
func overlayMount(dir, destination string) specs.Mount {
	return specs.Mount{Destination: destination, Type: "overlay", Source: "overlay", Options: []string{"nosuid", "nodev", "lowerdir=" + escapeLayer(dir)}}
}

func unescapeLayer(option string) string {
	return strings.NewReplacer(`\\`, `\`, `\:`, `:`, `\,`, `,`).Replace(option)
}

// escapeLayer is a path as an option of an overlay has it.
func escapeLayer(path string) string {
	return strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`).Replace(path)
}

// resolver brings back what the private /run hides and the host's network needs: /etc/resolv.conf of
// systemd-resolved and NetworkManager is a link into it.
func (b *builder) resolver() []specs.Mount {
	real, err := filepath.EvalSymlinks(b.onHost("/etc/resolv.conf"))
	if err != nil {
		return nil
	}
	real = b.offHost(real)
	if !under(real, "/run") || b.kind(real) != unix.S_IFREG {
		return nil
	}
	return []specs.Mount{readOnlyFile(real, real)}
}

func readOnlyFile(source, destination string) specs.Mount {
	return specs.Mount{Destination: destination, Type: "bind", Source: source, Options: []string{"bind", "rprivate", "ro", "nosuid", "nodev"}}
}

func byDepth(mounts []specs.Mount) {
	sort.SliceStable(mounts, func(i, j int) bool {
		return depth(mounts[i].Destination) < depth(mounts[j].Destination)
	})
}

func depth(p string) int { return strings.Count(strings.TrimSuffix(p, "/"), "/") }

// dropped returns mounts without those on destination.
func dropped(mounts []specs.Mount, destination string) []specs.Mount {
	kept := mounts[:0:0]
	for _, m := range mounts {
		if m.Destination != destination {
			kept = append(kept, m)
		}
	}
	return kept
}
