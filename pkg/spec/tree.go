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
	base := []specs.Mount{{
		// A mount on "/" becomes the root. rprivate, not rslave: a mount that the host makes
		// later (autofs, a USB stick) would arrive here writable.
		Destination: "/", Type: "bind", Source: "/", Options: []string{"rbind", "rro", "rprivate"},
	}, b.procMount()}
	if b.network.private() {
		base = append(base, sysMount()) // else the host's /sys stays, read-only like all of the tree
	}
	base = append(base, b.cgroupsMount())
	base = append(base, b.kernelMounts()[1:]...)
	homes := b.homes()
	// Shallow before deep: a working directory of /var must not uncover /var/tmp, one of
	// /tmp/x must not be covered by /tmp.
	private := append(b.scratch(), b.homeMounts(homes)...)
	private, err := b.workdir(private, homes)
	if err != nil {
		return err
	}
	byDepth(private)
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

// scratch are the shared writable directories of every host, replaced by private empty ones: only where
// the host has a real directory, for there is no place to mount on in a read-only tree, and a link
// (/var/run) leads to one that has its own turn.
func (b *builder) scratch() (mounts []specs.Mount) {
	for _, d := range []struct{ path, mode string }{{"/tmp", "1777"}, {"/var/tmp", "1777"}, {"/run", "755"}} {
		if b.kind(d.path) == unix.S_IFDIR {
			mounts = append(mounts, specs.Mount{Destination: d.path, Type: "tmpfs", Source: "tmpfs",
				Options: []string{"nosuid", "nodev", "mode=" + d.mode}})
		}
	}
	return mounts
}

// homes are the real directories to hide: $HOME and the user database's, which differ under sudo and
// in CI, and either may hold keys and tokens.
func (b *builder) homes() (homes []string) {
	for _, h := range []string{b.caller.Home, b.caller.PasswdHome} {
		dir := b.realDir(h)
		switch {
		case dir == "" || contains(homes, dir):
		case isSystem(dir):
			b.notice("home-not-hidden", "home directory %s belongs to the system: it is not hidden from the command", dir)
		default:
			homes = append(homes, dir)
		}
	}
	return homes
}

// isSystem: the home of daemon is /usr/sbin, that of bin /bin, that of many containers' users "/". An
// empty directory in their place would leave nothing to run.
func isSystem(dir string) bool {
	for _, d := range []string{"/proc", "/sys", "/dev", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64"} {
		if under(dir, d) {
			return true
		}
	}
	return oneOf(dir, "/ /usr /usr/local /var /var/lib /opt /home /boot /run /tmp /var/tmp /srv /mnt /media")
}

func (b *builder) homeMounts(homes []string) (mounts []specs.Mount) {
	options := []string{"nosuid", "nodev", "mode=0700"}
	if u := b.spec.Process.User; u.UID != 0 || u.GID != 0 {
		options = append(options, fmt.Sprintf("uid=%d", u.UID), fmt.Sprintf("gid=%d", u.GID))
	}
	for _, h := range homes {
		mounts = append(mounts, specs.Mount{Destination: h, Type: "tmpfs", Source: "tmpfs", Options: options})
	}
	return mounts
}

// workdir adds the working directory to the private mounts unless that would show what they hide, and
// sets where the payload starts.
func (b *builder) workdir(private []specs.Mount, homes []string) ([]specs.Mount, error) {
	cwd := b.realDir(b.caller.Cwd)
	b.spec.Process.Cwd = "/"
	switch why := b.unshared(cwd, homes); {
	case cwd == "":
		b.notice("cwd-not-shared", "the working directory cannot be found: the command starts in /")
	case why == "":
		b.spec.Process.Cwd = cwd
		private = append(dropped(private, cwd), b.cwdMount(cwd))
	default:
		if !under(cwd, "/proc") && !under(cwd, "/sys") && !under(cwd, "/dev") {
			b.spec.Process.Cwd = cwd // it is there, just not writable or empty
		}
		b.notice("cwd-not-shared", "working directory %s is not shared with the command, it %s: share what it needs with -v DIR (short for -v DIR:DIR)", cwd, why)
	}
	if w := b.wish.Workdir; w != "" {
		if !filepath.IsAbs(w) || strings.IndexByte(w, 0) >= 0 {
			return nil, fmt.Errorf("--workdir %q: must be an absolute path", w)
		}
		b.spec.Process.Cwd = filepath.Clean(w)
	}
	return private, nil
}

// unshared says why the working directory cannot be shown as it is.
func (b *builder) unshared(cwd string, homes []string) string {
	for _, h := range homes {
		if cwd == h {
			return "is your home directory"
		}
		if cwd != "" && under(h, cwd) {
			return "contains your home directory"
		}
	}
	switch {
	case cwd == "/":
		return "is the whole host"
	case under(cwd, "/proc"), under(cwd, "/sys"), under(cwd, "/dev"):
		return "belongs to the kernel"
	}
	return ""
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

// overlayMount is a copy-on-write view of dir. An overlay without an upperdir is our extension of the
// format: it gets a private upper directory that ends with the container. Layers are separated by
// colons, and the kernel takes a backslash before any character away.
func overlayMount(dir, destination string) specs.Mount {
	escaped := strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`).Replace(dir)
	return specs.Mount{Destination: destination, Type: "overlay", Source: "overlay", Options: []string{"lowerdir=" + escaped}}
}

// resolver brings back what the private /run hides and the host's network needs: /etc/resolv.conf of
// systemd-resolved and NetworkManager is a link into it.
func (b *builder) resolver() []specs.Mount {
	real, err := filepath.EvalSymlinks(b.onHost("/etc/resolv.conf"))
	if err != nil {
		return nil
	}
	real = "/" + strings.TrimPrefix(strings.TrimPrefix(real, b.wish.hostRoot), "/")
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
