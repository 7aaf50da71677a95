package rootfs

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
)

// hostNode finds the host's node of a device that cannot be made here, to bind
// it: under the same path, or where the kernel says it is. What the path holds
// is compared, for the name proves nothing.
func (t *Tree) hostNode(n *node, d specs.LinuxDevice) error {
	for _, path := range []string{n.path, kernelsName(d)} {
		var st unix.Stat_t
		if path == "" || unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != n.mode&unix.S_IFMT || st.Rdev != n.dev {
			continue
		}
		n.host = path
		if in := inside(path); !within(in, "dev") || within(in, "dev/shm") { // /dev is root's, but for that
			h, err := t.facts.Paths.Open(path)
			if err != nil || unix.Fstat(h.FD, &st) != nil || st.Rdev != n.dev || st.Mode&unix.S_IFMT != n.mode&unix.S_IFMT {
				continue
			}
			n.of = h
		}
		if d.FileMode != nil && st.Mode&0o777 != n.mode&0o777 || n.uid != 0 || n.gid != 0 {
			t.losses.Degrade(kernel.FeatDevices, n.path+" has the host's mode and owner", kernel.NewAt(kernel.MknodRefused, path, "it is the host's "+path))
		}
		return nil
	}
	return &kernel.Refusal{
		Cause: kernel.NewAt(kernel.MknodRefused, n.path),
		Err:   fmt.Errorf("the host has no node for %s %d:%d: %w", d.Type, d.Major, d.Minor, unix.ENOENT),
	}
}

// kernelsName is the path that the kernel gave the device (devtmpfs), "" when
// it does not know it.
func kernelsName(d specs.LinuxDevice) string {
	kind := "char"
	if d.Type == "b" {
		kind = "block"
	}
	f, err := os.Open(fmt.Sprintf("/sys/dev/%s/%d:%d/uevent", kind, d.Major, d.Minor))
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, ok := strings.CutPrefix(s.Text(), "DEVNAME="); ok {
			return "/dev/" + name
		}
	}
	return ""
}
