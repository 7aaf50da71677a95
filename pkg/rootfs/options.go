package rootfs

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
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
	// The access-time modes are one field: setting one clears the others.
	"noatime":       {set: unix.MOUNT_ATTR_NOATIME, clear: unix.MOUNT_ATTR__ATIME},
	"strictatime":   {set: unix.MOUNT_ATTR_STRICTATIME, clear: unix.MOUNT_ATTR__ATIME},
	"relatime":      {clear: unix.MOUNT_ATTR__ATIME},
	"atime":         {clear: unix.MOUNT_ATTR__ATIME},
	"norelatime":    {clear: unix.MOUNT_ATTR__ATIME},
	"nostrictatime": {clear: unix.MOUNT_ATTR__ATIME},
}

var propagations = map[string]uint64{
	"private": unix.MS_PRIVATE, "rprivate": unix.MS_PRIVATE | unix.MS_REC,
	"slave": unix.MS_SLAVE, "rslave": unix.MS_SLAVE | unix.MS_REC,
	"shared": unix.MS_SHARED, "rshared": unix.MS_SHARED | unix.MS_REC,
	"unbindable": unix.MS_UNBINDABLE, "runbindable": unix.MS_UNBINDABLE | unix.MS_REC,
}

// superFlags are options of the filesystem that have no value but that
// mount(8) treats as flags.
var superFlags = map[string]bool{"sync": true, "dirsync": true, "lazytime": true, "mand": true}

// dropped are options that mean what is anyway so.
var dropped = map[string]bool{
	"defaults": true, "async": true, "nolazytime": true, "nomand": true, "loud": true, "silent": true, "iversion": true, "noiversion": true, "notmpcopyup": true, "acl": true,
}

// refused are options of the spec that this version cannot do.
var refused = map[string]string{
	"idmap":        "idmapped mounts",
	"ridmap":       "idmapped mounts",
	"remount":      "remount",
	"copy-symlink": "copy-symlink",
}

// option is one filesystem option for fsconfig(2).
type option struct{ key, value string }

// mount is one entry of spec.mounts, understood.
type mount struct {
	spec      specs.Mount
	dest      string
	fstype    string // "" for a bind
	source    string // bind: absolute path in the caller's tree
	recursive bool   // rbind
	attr      attribute
	rattr     attribute // rro and its kin
	spread    uint64    // propagation, MS_REC included
	data      []option
	lower     string // overlay with a throw-away upper layer: what is below
	copyUp    bool   // tmpfs that begins with what the directory holds
	ownIDs    bool   // Facts.OwnIDs

	tree    plan.Reg // the mount, attached nowhere yet
	context plan.Reg // of an overlay being made
	file    bool     // bind of something that is no directory
}

func (m *mount) bind() bool { return m.fstype == "" }

func (m *mount) option(o string) error {
	if a, ok := attributes[o]; ok {
		m.attr.add(a)
		return nil
	}
	if a, ok := attributes[strings.TrimPrefix(o, "r")]; ok && strings.HasPrefix(o, "r") {
		m.rattr.add(a)
		return nil
	}
	if s, ok := propagations[o]; ok {
		m.spread |= s
		return nil
	}
	if what, ok := refused[o]; ok {
		return fmt.Errorf("option %q: %s are not supported by this version", o, what)
	}
	switch {
	case o == "bind":
		m.fstype = ""
	case o == "rbind":
		m.fstype, m.recursive = "", true
	case o == "tmpcopyup" && m.fstype == "tmpfs":
		m.copyUp = true
	case dropped[o] || o == "":
	default:
		key, value, has := strings.Cut(o, "=")
		if !has && !superFlags[key] && m.bind() {
			return fmt.Errorf("option %q: unknown for a bind mount", o)
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
