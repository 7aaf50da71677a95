package spec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// root checks the directory of the second form and makes it absolute.
func (b *builder) root() error {
	if b.wish.Tree {
		b.spec.Root.Path = "/"
		return nil
	}
	if i := b.wish.Image; i != nil {
		b.spec.Root = &specs.Root{Path: filepath.Dir(i.Dir), Readonly: b.wish.ReadOnly}
		return nil
	}
	typed := b.wish.Rootfs
	if typed == "" || strings.ContainsAny(typed, "\x00\n") {
		return fmt.Errorf("rootfs %q: want a directory", typed)
	}
	dir := b.abs(typed)
	h, err := b.typed(typed)
	var at *os.PathError
	switch {
	case errors.As(err, &at):
		return fmt.Errorf("rootfs %q: %w", typed, &os.PathError{Op: "stat", Path: dir, Err: at.Err})
	case err != nil:
		return fmt.Errorf("rootfs %q: %w", typed, err)
	case !h.IsDir():
		return fmt.Errorf("rootfs %q is %s: %w", typed, kindOf(h.Mode), unix.ENOTDIR)
	case isHostRoot(h.ID):
		return fmt.Errorf("rootfs %q is this host's own root: use `sandbox run -- CMD` for the host's tree", typed)
	}
	b.spec.Root = &specs.Root{Path: dir, Readonly: b.wish.ReadOnly}
	return nil
}

// isHostRoot says whether a directory is the root that we have.
func isHostRoot(id handle.ID) bool {
	var host unix.Stat_t
	return unix.Stat("/", &host) == nil && id == handle.ID{Dev: host.Dev, Ino: host.Ino}
}

// rootfs is the form with a directory as root: what podman does for `run --rootfs DIR`.
func (b *builder) rootfs() error {
	switch {
	case b.wish.Image != nil:
		b.ours = append(b.ours, b.imageMount())
	case b.wish.Cow:
		// A mount on "/" becomes the root.
		b.ours = append(b.ours, overlayMount(b.spec.Root.Path, "/"))
	}
	b.ours = append(b.ours, b.kernelMounts()...)
	if b.network.private() {
		b.ours = append(b.ours, sysMount())
	} else {
		// Mounting sysfs needs a network namespace of one's own user namespace.
		b.ours = append(b.ours, hostSys())
		b.ours = append(b.ours, b.nameFiles()...)
	}
	if b.cgroupsShown() {
		b.ours = append(b.ours, b.cgroupsMount())
	}
	if b.wish.ReadOnly {
		b.ours = append(b.ours, b.readOnlyTmpfs()...)
	}
	volumes, err := b.imageVolumes()
	if err != nil {
		return err
	}
	b.ours = append(b.ours, volumes...)
	if !b.showsWhole() {
		b.hideKernel()
	}
	if !b.network.private() {
		// The file systems mounted there are the host's, and only sysfs itself is read-only (podman masks it too).
		b.spec.Linux.MaskedPaths = append(b.spec.Linux.MaskedPaths, "/sys/kernel")
	}
	switch i := b.wish.Image; {
	case b.wish.Workdir != "":
	case i != nil && i.Workdir != "":
		// "app" is below "/": podman takes it so too.
		b.spec.Process.Cwd = filepath.Join("/", i.Workdir)
		return nil
	default:
		return nil
	}
	if !filepath.IsAbs(b.wish.Workdir) || strings.IndexByte(b.wish.Workdir, 0) >= 0 {
		return fmt.Errorf("--workdir %q: must be an absolute path", b.wish.Workdir)
	}
	b.spec.Process.Cwd = filepath.Clean(b.wish.Workdir)
	return nil
}

// workdirIsThere refuses a working directory that the root does not have, as podman does: a mistyped one would be made in it.
// What lies below a mount, or behind a link, shows only when it runs.
func (b *builder) workdirIsThere() error {
	cwd := b.spec.Process.Cwd
	if b.wish.Tree || b.wish.Workdir == "" || slices.ContainsFunc(b.spec.Mounts, func(m specs.Mount) bool {
		return m.Destination != "/" && (cwd == m.Destination || strings.HasPrefix(cwd, m.Destination+"/"))
	}) {
		return nil
	}
	if i := b.wish.Image; i != nil {
		if fd, err := i.Files.Open(cwd, unix.O_PATH|unix.O_DIRECTORY); err == nil {
			unix.Close(fd)
		} else if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			return fmt.Errorf("--workdir %q: %w in the image %s", b.wish.Workdir, err, i.Name)
		}
		return nil
	}
	root, err := b.rootDir()
	if err != nil {
		return err
	}
	fd, err := root.OpenAt(strings.TrimPrefix(cwd, "/")+"/.", unix.O_PATH|unix.O_DIRECTORY, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_SYMLINKS)
	switch {
	case err == nil:
		unix.Close(fd)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("--workdir %q: %w in the rootfs %s", b.wish.Workdir, err, b.wish.Rootfs)
	}
	return nil
}

// nameFiles makes names resolve on the host's network; podman binds the same two.
func (b *builder) nameFiles() (mounts []specs.Mount) {
	for _, f := range []string{"/etc/resolv.conf", "/etc/hosts"} {
		if _, err := os.Stat(b.onHost(f)); err == nil {
			mounts = append(mounts, readOnlyFile(f, f))
		}
	}
	return mounts
}

// readOnlyTmpfs is podman's --read-only-tmpfs, on by default: a read-only root with places to write.
func (b *builder) readOnlyTmpfs() (mounts []specs.Mount) {
	for _, dir := range []string{"/run", "/tmp", "/var/tmp"} {
		if b.isDirInRoot(dir) {
			mounts = append(mounts, b.tmpfsMount(dir))
		}
	}
	return mounts
}

// args: the entrypoint, then what was typed after the rootfs. Without either, a shell: there is no
// image that could name another program.
func (b *builder) args() error {
	args := b.wish.Args
	if i := b.wish.Image; i != nil {
		var err error
		if args, err = i.command(args, b.wish.Entrypoint); err != nil {
			return err
		}
	}
	if e := b.wish.Entrypoint; e != nil && *e != "" {
		entry := []string{*e}
		if strings.HasPrefix(*e, "[") {
			entry = nil
			if err := Decode([]byte(*e), &entry); err != nil || len(entry) == 0 {
				return fmt.Errorf("--entrypoint %q: want a program or a JSON array of strings", *e)
			}
		}
		args = append(entry, args...)
	}
	if len(args) == 0 {
		args = []string{"/bin/sh"}
	}
	for _, a := range args {
		if strings.IndexByte(a, 0) >= 0 {
			return fmt.Errorf("argument %q: has a NUL byte", a)
		}
	}
	b.spec.Process.Args = append([]string(nil), args...)
	return nil
}

// init checks --init. The init itself is no program in the container: the one who starts it makes the
// container's first process wait for the others.
func (b *builder) init() error {
	if b.wish.Init && !b.pid.private() {
		return fmt.Errorf("--init: needs a pid namespace of its own, leave out --pid %s", b.wish.PID)
	}
	return nil
}
