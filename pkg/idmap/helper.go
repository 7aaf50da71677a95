package idmap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"sandbox/pkg/helper"
)

// copyFacts is what decides whether one copy of a helper can do its work.
type copyFacts struct {
	mode, owner uint32 // as in stat(2)
	executable  bool   // by us, and not on a noexec mount
	noSUID      bool   // its mount ignores set-id bits and file capabilities
	permitted   uint64 // file capabilities (capabilities(7))
}

// fault says why a copy is of no use; "" when it is fine. An owner that is not
// mapped in our namespace reads as 65534: the kernel ignores its setuid bit.
func (f copyFacts) fault(capability uint) (Reason, string) {
	setuid := f.mode&syscall.S_ISUID != 0 && f.owner == 0
	switch {
	case f.mode&syscall.S_IFMT != syscall.S_IFREG:
		return HelperNotPrivileged, "is not a file"
	case !setuid && f.permitted>>capability&1 == 0:
		return HelperNotPrivileged, fmt.Sprintf("has mode %04o, owner %d and no file capability", f.mode&0o7777, f.owner)
	case f.noSUID:
		return NoSUID, "is on a nosuid mount"
	case !f.executable:
		return HelperNotPrivileged, "may not be executed by you"
	}
	return "", ""
}

// find searches for the first copy that is privileged. A nix store, an image
// layer or a home directory may have copies that lost their bits, and they may
// come first on PATH.
func (h Host) find(kind Kind) (*helper.Program, *Shortfall) {
	look := h.look
	if look == nil {
		look = lookAt
	}
	worst, evidence := NoHelper, []string(nil)
	p, err := h.finder().Find(kind.helper(), func(p *helper.Program) error {
		facts, err := look(p.Here())
		if err != nil {
			return err
		}
		reason, why := facts.fault(kind.capability())
		if reason == "" {
			return nil
		}
		if worst != NoSUID {
			worst = reason // one remount is nearer to a cure than any other copy
		}
		if len(evidence) < maxNotes {
			evidence = append(evidence, p.Path+" "+why)
		}
		return errors.New("it " + why)
	})
	if err == nil {
		return p, nil
	}
	var missing *helper.MissingError
	switch {
	case !errors.As(err, &missing):
		evidence = []string{err.Error()} // of the one that was named
	case len(missing.Refused) > 0:
		evidence = append(evidence, err.Error())
	case len(evidence) == 0:
		evidence = []string{kind.helper() + " is in none of " + strings.Join(missing.Dirs, ":")}
	}
	return nil, &Shortfall{worst, strings.Join(evidence, ", ")}
}

func lookAt(path string) (copyFacts, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return copyFacts{}, err
	}
	f := copyFacts{mode: st.Mode, owner: st.Uid, executable: unix.Access(path, unix.X_OK) == nil}
	var fs syscall.Statfs_t
	if syscall.Statfs(path, &fs) == nil {
		f.noSUID = fs.Flags&unix.ST_NOSUID != 0
	}
	if st.Mode&syscall.S_ISUID == 0 {
		f.permitted = fileCapabilities(path)
	}
	return f, nil
}

func fileCapabilities(path string) uint64 {
	var b [24]byte // XATTR_CAPS_SZ_3
	n, err := unix.Getxattr(path, "security.capability", b[:])
	if err != nil {
		return 0
	}
	return parseCapabilities(b[:n])
}

// parseCapabilities reads the permitted set of struct vfs_cap_data, revision 1
// to 3 (linux/capability.h). Revision 3 belongs to the root user of one
// namespace: the kernel hands us revision 2 when that is ours, so a root id that
// is left over is somebody else's and gives us nothing.
func parseCapabilities(b []byte) uint64 {
	word := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(b[4*i:])) }
	if len(b) < 4 {
		return 0
	}
	switch revision := word(0) >> 24; {
	case revision == 1 && len(b) == 12:
		return word(1)
	case revision == 2 && len(b) == 20, revision == 3 && len(b) == 24 && word(5) == 0:
		return word(1) | word(3)<<32
	}
	return 0
}
