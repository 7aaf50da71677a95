package rootfs

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// attribute is a mount option that belongs to the mount, not the filesystem
// (mount_setattr(2)).
type attribute struct{ set, clear uint64 }

var attributes = map[string]attribute{
	"ro": {set: unix.MOUNT_ATTR_RDONLY}, "rw": {clear: unix.MOUNT_ATTR_RDONLY},
	"nosuid": {set: unix.MOUNT_ATTR_NOSUID}, "suid": {clear: unix.MOUNT_ATTR_NOSUID},
	"nodev": {set: unix.MOUNT_ATTR_NODEV}, "dev": {clear: unix.MOUNT_ATTR_NODEV},
	"noexec": {set: unix.MOUNT_ATTR_NOEXEC}, "exec": {clear: unix.MOUNT_ATTR_NOEXEC},
	"nodiratime": {set: unix.MOUNT_ATTR_NODIRATIME}, "diratime": {clear: unix.MOUNT_ATTR_NODIRATIME},
	"nosymfollow": {set: unix.MOUNT_ATTR_NOSYMFOLLOW}, "symfollow": {clear: unix.MOUNT_ATTR_NOSYMFOLLOW},
	// The access-time modes are one field: setting one clears the others. Here for the words with "r"; those of one mount are
	// in timeWords.
	"noatime":       {set: unix.MOUNT_ATTR_NOATIME, clear: unix.MOUNT_ATTR__ATIME},
	"strictatime":   {set: unix.MOUNT_ATTR_STRICTATIME, clear: unix.MOUNT_ATTR__ATIME},
	"relatime":      {clear: unix.MOUNT_ATTR__ATIME},
	"atime":         {clear: unix.MOUNT_ATTR__ATIME},
	"norelatime":    {}, // either leaves the mode as it is, which may be a third
	"nostrictatime": {},
}

var propagations = map[string]uint64{
	"private": unix.MS_PRIVATE, "rprivate": unix.MS_PRIVATE | unix.MS_REC,
	"slave": unix.MS_SLAVE, "rslave": unix.MS_SLAVE | unix.MS_REC,
	"shared": unix.MS_SHARED, "rshared": unix.MS_SHARED | unix.MS_REC,
	"unbindable": unix.MS_UNBINDABLE, "runbindable": unix.MS_UNBINDABLE | unix.MS_REC,
}

// dropped are options that ask for what is so anyway: the kernel's default, or
// a flag of mount(2) that no longer does anything (mand since Linux 5.15).
var dropped = map[string]bool{
	"": true, "defaults": true, "async": true, "nolazytime": true, "nomand": true, "mand": true, "loud": true, "silent": true,
	"iversion": true, "noiversion": true, "notmpcopyup": true, "acl": true,
}

// fstab says whether an option is for those who read fstab(5), and not for the
// kernel (mount(8)).
func fstab(o string) bool {
	key, _, _ := strings.Cut(o, "=")
	return strings.HasPrefix(o, "x-") || strings.HasPrefix(o, "X-") || strings.Contains(" auto noauto nofail _netdev nouser comment ", " "+key+" ")
}

// option is one filesystem option for fsconfig(2).
type option struct{ key, value string }

// words are the options that say something to the runtime and nothing to the
// filesystem.
var words = map[string]func(*mount) error{
	"bind":   func(m *mount) error { m.fstype = ""; return nil },
	"rbind":  func(m *mount) error { m.fstype, m.recursive = "", true; return nil },
	"idmap":  func(m *mount) error { m.mapped = true; return nil },
	"ridmap": func(m *mount) error { m.mapped, m.mapBelow = true, true; return nil },
	// Read before all others, for it says whose options they are.
	"remount": func(*mount) error { return nil },
	"tmpcopyup": func(m *mount) error {
		if m.fstype != "tmpfs" {
			return fmt.Errorf("only a tmpfs can begin with what is there")
		}
		m.copyUp = true
		return nil
	},
	// These three are crun's (crun(1), "Mount options").
	"src-nofollow":  func(m *mount) error { m.sourceLink = true; return nil },
	"copy-symlink":  func(m *mount) error { m.copyLink = true; return nil },
	"dest-nofollow": func(m *mount) error { m.placeFlags |= unix.O_NOFOLLOW; return nil },
}

func (m *mount) option(o string) error {
	if w, ok := timeWords[o]; ok {
		m.times = m.times&^w.clear | w.set
		m.flagged = true
		return nil
	}
	if a, ok := attributes[o]; ok {
		m.attr.add(a)
		m.flagged = true
		return nil
	}
	if a, ok := attributes[strings.TrimPrefix(o, "r")]; ok && strings.HasPrefix(o, "r") {
		m.rattr.add(a)
		return nil
	}
	if s, ok := propagations[o]; ok {
		m.spread = append(m.spread, s) // in this order: slave, then shared, is both
		return nil
	}
	if set, ok := words[o]; ok {
		if err := set(m); err != nil {
			return fmt.Errorf("option %q: %w", o, err)
		}
		return nil
	}
	if !dropped[o] && !fstab(o) {
		key, value, _ := strings.Cut(o, "=")
		if (key == "idmap" || key == "ridmap") && value != "" {
			m.mapped, m.mapBelow = true, m.mapBelow || key == "ridmap"
			if err := m.ownMappings(value); err != nil {
				return fmt.Errorf("option %q: %w", o, err)
			}
			return nil
		}
		m.data = append(m.data, option{key, value})
	}
	return nil
}

// add makes a the later word: it wins over an earlier opposite.
func (a *attribute) add(b attribute) {
	a.set = a.set&^b.clear | b.set
	a.clear = a.clear&^b.set | b.clear
}

func (a attribute) none() bool { return a.set == 0 && a.clear == 0 }
