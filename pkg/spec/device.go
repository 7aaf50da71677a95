package spec

import (
	"errors"
	"fmt"
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
	var st unix.Stat_t
	if err := unix.Fstat(h.FD, &st); err != nil {
		return &os.PathError{Op: "stat", Path: src, Err: err}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR, unix.S_IFBLK:
		return b.node(h.Now(), dst, access, &st)
	case unix.S_IFDIR:
		return b.deviceDir(h.Now(), dst, access)
	}
	return fmt.Errorf("%s is %s, want a device", src, kindOf(st.Mode))
}

// deviceDir adds the devices of a directory such as /dev/snd, those below it included.
func (b *builder) deviceDir(real, dst, access string) error {
	n := 0
	err := filepath.WalkDir(real, func(p string, _ os.DirEntry, err error) error {
		var st unix.Stat_t
		if err != nil || unix.Lstat(p, &st) != nil {
			return err
		}
		if t := st.Mode & unix.S_IFMT; t != unix.S_IFCHR && t != unix.S_IFBLK {
			return nil
		}
		if n++; n > maxDevices {
			return fmt.Errorf("more than %d devices in one directory", maxDevices)
		}
		return b.node(p, filepath.Join(dst, strings.TrimPrefix(p, real)), access, &st)
	})
	if err == nil && n == 0 {
		err = fmt.Errorf("no devices in this directory")
	}
	return err
}

func (b *builder) node(real, dst, access string, st *unix.Stat_t) error {
	if b.ids.Userns() {
		if access != "rwm" && !b.toldAccess {
			b.toldAccess = true
			b.notice("device-access", "--device: %q is not enforced in a user namespace, where the device's own mode decides: the command may do what you may", access)
		}
		h, err := handle.Open(real)
		if err != nil {
			return err
		}
		var now unix.Stat_t
		if err := unix.Fstat(h.FD, &now); err != nil || now.Rdev != st.Rdev || (now.Mode^st.Mode)&unix.S_IFMT != 0 {
			h.Close()
			return fmt.Errorf("%s is another file than a moment ago", real)
		}
		b.paths.Add(real, h) // what is bound is what was looked at
		b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: dst, Type: "bind", Source: real,
			Options: []string{"bind", "rprivate", "nosuid", "noexec", "rw"}})
		return nil
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
