package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
)

// user decides who the payload is. Without --user: in the host's tree yourself; in a root of its own its
// root, as podman does, unless you asked to be kept (--userns keep-id) or there is no uid 0.
func (b *builder) user() error {
	b.home = "/"
	if b.wish.Tree {
		b.home = b.caller.PasswdHome
	}
	var err error
	who, says := b.asUser()
	switch {
	case who != "":
		err = b.namedUser(who, says)
	case b.wish.Tree || strings.HasPrefix(b.wish.Userns, "keep-id") || !mapped(b.ids.UID, 0) || !mapped(b.ids.GID, 0):
		b.sameUser()
	default:
		if a, ok := b.lookup("0"); ok {
			b.home = a.home
		}
	}
	for _, next := range []func() error{b.groupAdd, b.umask, b.usable} {
		if err == nil {
			err = next()
		}
	}
	return err
}

func (b *builder) sameUser() {
	u := &b.spec.Process.User
	uid, okU := inside(b.ids.UID, b.caller.UID)
	gid, okG := inside(b.ids.GID, b.caller.GID)
	if !okU || !okG {
		uid, gid = first(b.ids.UID), first(b.ids.GID)
		b.notice("caller-not-mapped", "your ids (uid %d, gid %d) are not in the id map: the command runs as uid %d, gid %d",
			b.caller.UID, b.caller.GID, uid, gid)
	}
	u.UID, u.GID = uid, gid
	switch {
	case !b.wish.Tree:
		if a, ok := b.lookup(strconv.FormatUint(uint64(uid), 10)); ok {
			b.home = a.home
		}
	case len(b.wish.GroupAdd) == 0:
		// You stay yourself: devices and project directories that a group opens to you stay
		// open. A map of one id allows no setgroups(2) anyway.
		b.annotate(KeepGroups, "1")
	default:
		for _, g := range b.caller.Groups {
			if in, ok := inside(b.ids.GID, g); ok {
				u.AdditionalGids = append(u.AdditionalGids, in)
			}
		}
	}
}

// lookup finds an account by number, and takes an unreadable passwd file for one without that account.
func (b *builder) lookup(uid string) (account, bool) {
	data, err := b.userFile("/etc/passwd")
	if err != nil {
		return account{}, false
	}
	a, ok := findAccount(data, uid)
	return a, ok && a.home != ""
}

// userFile reads a file of the root; a missing one is empty. Files that cannot be read are an error only
// where a name depends on them.
func (b *builder) userFile(path string) ([]byte, error) {
	data, err := b.readInRoot(path, maxUserFile)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	return data, err
}

// namedUser resolves USER[:GROUP] as podman does: names or numbers; a number needs no entry; with
// an explicit group, the groups that list the user are not added.
func (b *builder) namedUser(who, says string) error {
	name, group, hasGroup := strings.Cut(who, ":")
	if name == "" {
		name = "0"
	}
	data, err := b.userFile("/etc/passwd")
	a, found := findAccount(data, name)
	if _, isID := parseID(name); !found && !isID {
		if err != nil {
			return fmt.Errorf("%s: unable to find user %s: %w", says, name, err)
		}
		return fmt.Errorf("%s: unable to find user %s: no matching entries in passwd file", says, name)
	}
	u := &b.spec.Process.User
	u.UID, u.GID = a.uid, a.gid
	if a.home != "" {
		b.home = a.home
	}
	if hasGroup && group != "" {
		u.GID, err = b.group(says, group)
		return err
	}
	if !found {
		return nil
	}
	list, err := b.userFile("/etc/group")
	if err != nil {
		return nil // the account was found; its other groups are a courtesy
	}
	u.AdditionalGids = memberships(list, a.name)
	return nil
}

func (b *builder) group(flag, group string) (uint32, error) {
	data, err := b.userFile("/etc/group")
	gid, ok := findGroup(data, group)
	if !ok && err != nil {
		return 0, fmt.Errorf("%s: unable to find group %s: %w", flag, group, err)
	}
	if !ok {
		return 0, fmt.Errorf("%s: unable to find group %s: no matching entries in group file", flag, group)
	}
	return gid, nil
}

func (b *builder) groupAdd() error {
	add := splitAll(b.wish.GroupAdd)
	for _, g := range add {
		if g == "keep-groups" {
			if len(add) > 1 {
				return fmt.Errorf("--group-add keep-groups: not allowed with any other --group-add")
			}
			b.annotate(KeepGroups, "1")
			b.spec.Process.User.AdditionalGids = nil
			return nil
		}
		gid, err := b.group("--group-add "+strconv.Quote(g), g)
		if err != nil {
			return err
		}
		b.spec.Process.User.AdditionalGids = append(b.spec.Process.User.AdditionalGids, gid)
	}
	return nil
}

// umask: podman's default for containers is 0022; in the host's tree the caller's own is left alone.
func (b *builder) umask() error {
	mask := uint64(0o022)
	switch {
	case b.wish.Umask != "":
		var err error
		if mask, err = strconv.ParseUint(b.wish.Umask, 8, 32); err != nil || mask > 0o777 {
			return fmt.Errorf("--umask %q: want an octal number from 0000 to 0777", b.wish.Umask)
		}
	case b.wish.Tree:
		return nil
	}
	m := uint32(mask)
	b.spec.Process.User.Umask = &m
	return nil
}

// usable refuses ids that do not exist in the container before the kernel says "invalid argument".
func (b *builder) usable() error {
	u := &b.spec.Process.User
	who, says := b.asUser()
	if !mapped(b.ids.UID, u.UID) {
		return b.unmapped(fmt.Sprintf("%s: uid %d", says, u.UID), b.ids.UID)
	}
	if !mapped(b.ids.GID, u.GID) {
		return b.unmapped(fmt.Sprintf("%s: gid %d", says, u.GID), b.ids.GID)
	}
	kept := u.AdditionalGids[:0]
	asked := len(u.AdditionalGids) - len(splitAll(b.wish.GroupAdd))
	for i, g := range u.AdditionalGids {
		switch {
		case contains32(kept, g):
		case mapped(b.ids.GID, g):
			kept = append(kept, g)
		case i >= asked && b.spec.Annotations[KeepGroups] != "1":
			return b.unmapped(fmt.Sprintf("--group-add %d: gid %d", g, g), b.ids.GID)
		default: // only the group file asks for it
			b.notice("group-not-mapped", "group %d of user %s is not in the id map: the command runs without it", g, who)
		}
	}
	u.AdditionalGids = kept
	return nil
}

// unmapped is about an id that does not exist in the container, with the way to more ids where there is one.
func (b *builder) unmapped(what string, list []specs.LinuxIDMapping) error {
	err := fmt.Errorf("%s is not in the id map (%s)", what, extentsText(list))
	switch {
	case b.ids.Short != nil:
		return &kernel.Refusal{Cause: *b.ids.Short, Err: err}
	case len(list) == 1 && list[0].Size == 1:
		return fmt.Errorf("%w: a larger map comes with --userns auto", err)
	}
	return fmt.Errorf("%w: use one of those", err)
}

func contains32(list []uint32, n uint32) bool {
	for _, e := range list {
		if e == n {
			return true
		}
	}
	return false
}

// first is an id that exists: 0 where it is mapped.
func first(extents []specs.LinuxIDMapping) uint32 {
	if mapped(extents, 0) {
		return 0
	}
	return extents[0].ContainerID
}
