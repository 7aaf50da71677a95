package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// maxDevices bounds what one directory may bring.
const maxDevices = 256

// devices: in a user namespace nobody can make device nodes (mknod(2), EPERM), so the host's are bound;
// otherwise they are made anew and the group is told to allow them.
func (b *builder) devices() error {
	for _, v := range b.wish.Devices {
		src, dst, access, err := parseDevice(v)
		if err == nil {
			err = b.device(src, dst, access)
		}
		if err != nil {
			return fmt.Errorf("--device %q: %w", v, err)
		}
	}
	return b.nestedDevice()
}

// parseDevice reads SRC[:DST[:ACCESS]] or SRC:ACCESS.
func parseDevice(v string) (src, dst, access string, err error) {
	parts := strings.Split(v, ":")
	src, dst, access = parts[0], parts[0], "rwm"
	switch {
	case len(parts) > 3:
		return "", "", "", fmt.Errorf("want SRC[:DST[:rwm]]")
	case len(parts) == 3:
		dst, access = parts[1], parts[2]
	case len(parts) == 2 && isAccess(parts[1]):
		access = parts[1]
	case len(parts) == 2:
		dst = parts[1]
	}
	if !isAccess(access) {
		return "", "", "", fmt.Errorf("invalid device mode: %s", access)
	}
	if src == "" || src[0] != '/' || strings.IndexByte(src, 0) >= 0 {
		return "", "", "", fmt.Errorf("%q must be an absolute path of the host", src)
	}
	return src, filepath.Clean("/" + dst), access, destination(dst)
}

func isAccess(s string) bool {
	for _, c := range "rwm" {
		if strings.Count(s, string(c)) > 1 {
			return false
		}
	}
	return s != "" && strings.Trim(s, "rwm") == ""
}

func (b *builder) device(src, dst, access string) error {
	h, err := b.typed(src) // podman: a link is resolved first
	if errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "stat", Path: src, Err: unix.ENOENT}
	}
	if err != nil {
		return err
	}
	switch h.Kind() {
	case unix.S_IFCHR, unix.S_IFBLK:
		return b.node(h, dst, access)
	case unix.S_IFDIR:
		return b.deviceDir(h, dst, access)
	}
	return fmt.Errorf("%s is %s, want a device", src, kindOf(h.Mode))
}

// deviceDir adds the devices of a directory such as /dev/snd, those below it included. What is a link by then is none.
func (b *builder) deviceDir(dir *handle.Handle, dst, access string) error {
	in, err := os.OpenRoot(dir.Name() + "/.")
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	n := 0
	err = fs.WalkDir(in.FS(), ".", func(p string, e os.DirEntry, err error) error {
		if err != nil || e.Type()&os.ModeDevice == 0 {
			return err
		}
		h, err := dir.Beneath(p)
		if err != nil {
			return err
		}
		b.paths.Keep(h)
		if kind := h.Kind(); kind != unix.S_IFCHR && kind != unix.S_IFBLK {
			return nil
		}
		if n++; n > maxDevices {
			return fmt.Errorf("more than %d devices in one directory", maxDevices)
		}
		return b.node(h, filepath.Join(dst, p), access)
	})
	if err == nil && n == 0 {
		err = fmt.Errorf("no devices in this directory")
	}
	return err
}

// node adds a device, which the set holds.
func (b *builder) node(h *handle.Handle, dst, access string) error {
	real := h.Now()
	if b.ids.Userns() {
		if access != "rwm" && !b.toldAccess {
			b.toldAccess = true
			b.notice("device-access", "--device: %q is not enforced in a user namespace, where the device's own mode decides: the command may do what you may", access)
		}
		b.paths.Add(real, h) // what is bound is what was looked at
		b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: dst, Type: "bind", Source: real,
			Options: []string{"bind", "rprivate", "nosuid", "noexec", "rw"}})
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(h.FD, &st); err != nil {
		return &os.PathError{Op: "stat", Path: real, Err: err}
	}
	kind := "c"
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		kind = "b"
	}
	major, minor := int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	mode, uid, gid := os.FileMode(st.Mode&0o777), st.Uid, st.Gid
	l := b.spec.Linux
	l.Devices = append(l.Devices, specs.LinuxDevice{Path: dst, Type: kind, Major: major, Minor: minor, FileMode: &mode, UID: &uid, GID: &gid})
	l.Resources.Devices = append(l.Resources.Devices, specs.LinuxDeviceCgroup{Allow: true, Type: kind, Major: &major, Minor: &minor, Access: access})
	return nil
}
