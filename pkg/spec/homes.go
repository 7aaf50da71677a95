package spec

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// cover is a directory of the host that the command must not see, and gets an empty one instead of.
type cover struct {
	path string
	home bool           // the caller's: theirs to write, and to nobody else to read
	dir  *handle.Handle // nil for one that lies in another's empty directory
}

// homes are the directories in which people keep what is theirs: keys, tokens, mail. They are known by device and inode,
// for the same directory may be mounted in other places too.
type homes struct {
	own    []*handle.Handle // $HOME and the user database's, which differ under sudo and in CI
	system []string         // of those that are the system's own directories, and stay
	covers []cover
	names  map[string]bool // of people's homes, in the directories that hold them
	holds  map[handle.ID]bool
}

// has says whether a directory is one of the homes, or covers them.
func (h *homes) has(dir *handle.Handle) bool {
	return slices.Contains(h.own, dir) || slices.ContainsFunc(h.covers, func(c cover) bool { return c.dir == dir })
}

// findHomes looks for the caller's own homes and for those of all people of this host, root included: as root one could
// read them, and many are open to all. People are accounts from UID_MIN on (login.defs(5)); the directory that holds
// their homes (/home) is hidden as a whole, with what else lies there, unless it is one of the system's.
func (b *builder) findHomes() *homes {
	h := &homes{names: map[string]bool{}, holds: map[handle.ID]bool{}}
	for _, home := range []string{b.caller.Home, b.caller.PasswdHome} {
		dir := b.dir(home)
		switch {
		case dir == nil || h.isOwn(dir):
		case isSystem(dir.Path):
			h.system = append(h.system, dir.Path)
		default:
			h.own = append(h.own, dir)
		}
	}
	for _, dir := range b.people(h) {
		if b.passable(dir) {
			h.hide(dir)
		}
	}
	for _, dir := range b.neighbours(h) {
		if b.passable(dir) {
			h.hide(dir)
		}
	}
	for _, dir := range h.own {
		h.hide(dir)
	}
	for _, c := range h.covers {
		if c.dir != nil && !c.home {
			h.holds[c.dir.ID] = true
		}
	}
	return h
}

// everybody is what findHomes finds, once.
func (b *builder) everybody() *homes {
	if b.homes == nil {
		b.homes = b.findHomes()
	}
	return b.homes
}

// passable says whether the caller may enter a directory: else nor may the command, which has no more rights over it. What
// is the caller's may be opened at any time.
func (b *builder) passable(dir *handle.Handle) bool {
	return dir.UID == b.caller.UID || unix.Faccessat(dir.FD, ".", unix.X_OK, unix.AT_EACCESS) != unix.EACCES
}

// hide adds a directory to cover, but for one that lies in one that is covered already. The caller's own homes are there
// all the same, empty.
func (h *homes) hide(dir *handle.Handle) {
	in := slices.ContainsFunc(h.covers, func(c cover) bool { return under(dir.Path, c.path) })
	switch own := h.isOwn(dir); {
	case !in:
		h.covers = append(h.covers, cover{dir.Path, own, dir})
	case own && !slices.ContainsFunc(h.covers, func(c cover) bool { return c.path == dir.Path }):
		h.covers = append(h.covers, cover{dir.Path, true, nil})
	}
}

func (h *homes) isOwn(dir *handle.Handle) bool {
	return slices.ContainsFunc(h.own, func(own *handle.Handle) bool { return own.ID == dir.ID })
}

// people lists the directories that hold people's homes, and homes that lie among the system's own directories. Nobody's
// home is looked at, each of which an automounter may have to fetch.
func (b *builder) people(h *homes) (dirs []*handle.Handle) {
	data, err := readRegular(b.onHost("/etc/passwd"))
	if err != nil {
		return nil
	}
	from := uint32(0)
	add := func(dir *handle.Handle) {
		if dir != nil && !isSystem(dir.Path) {
			dirs = append(dirs, dir)
		}
	}
	holders := map[string]bool{}
	for a := range accounts(data) {
		if !filepath.IsAbs(a.home) {
			continue
		}
		home := filepath.Clean(a.home)
		if a.uid != 0 && a.uid < usualPerson {
			// Nearly all of these live among the system's own, so that the file that says need not be read.
			if holdsSystem(filepath.Dir(home)) {
				continue
			}
			if from == 0 {
				from = b.firstPerson()
			}
			if a.uid < from {
				continue
			}
		}
		holder := b.dir(filepath.Dir(home))
		switch {
		case holder == nil:
		case holdsSystem(holder.Path):
			add(b.dir(home))
		default:
			if !holders[holder.Path] {
				holders[holder.Path] = true
				dirs = append(dirs, holder)
			}
			h.names[filepath.Base(home)] = true
			// A home on another disk, with a link in its place. To read a link mounts nothing.
			if _, err := unix.Readlinkat(holder.FD, filepath.Base(home), make([]byte, 1)); err == nil {
				add(b.dir(home))
			}
		}
	}
	return dirs
}

// mostNeighbours is how many names beside a home are looked at. Where more lie there, people's homes are what it is for.
const mostNeighbours = 256

// neighbours are directories of other people's beside the caller's own home: accounts need not be in /etc/passwd (LDAP), and
// then nothing else tells where their homes are.
func (b *builder) neighbours(h *homes) (dirs []*handle.Handle) {
	for _, own := range h.own {
		holder := b.dir(filepath.Dir(own.Path))
		if holder == nil || holdsSystem(holder.Path) || slices.ContainsFunc(h.covers, func(c cover) bool { return under(own.Path, c.path) }) {
			continue
		}
		fd, err := holder.OpenAt(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			continue // nor can the command look there for others
		}
		f := os.NewFile(uintptr(fd), holder.Path)
		names, _ := f.Readdirnames(mostNeighbours)
		f.Close()
		if len(names) == mostNeighbours {
			dirs = append(dirs, holder)
			continue
		}
		for _, name := range names {
			var st unix.Statx_t // which mounts nothing
			err := unix.Statx(holder.FD, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE|unix.STATX_UID, &st)
			if err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR && st.Uid != b.caller.UID && st.Uid >= usualPerson && !b.isNobody(st.Uid) {
				if dir := b.dir(filepath.Join(holder.Path, name)); dir != nil && !b.standsIn(dir) {
					dirs = append(dirs, dir)
				}
			}
		}
	}
	return dirs
}

// standsIn says whether the working directory is one, or lies in it.
func (b *builder) standsIn(dir *handle.Handle) bool {
	if b.caller.Dir == nil {
		return false
	}
	_, in := b.lies(b.caller.Dir, dir.ID)
	return in
}

// usualPerson is UID_MIN where nobody has said otherwise.
const usualPerson = 1000

// firstPerson is UID_MIN of login.defs(5).
func (b *builder) firstPerson() uint32 {
	data, _ := readRegular(b.onHost("/etc/login.defs"))
	text := "\n" + string(data)
	for {
		i := strings.Index(text, "\nUID_MIN")
		if i < 0 {
			return usualPerson
		}
		line, _, _ := strings.Cut(text[i+1:], "\n")
		if f := strings.Fields(line); len(f) > 1 && f[0] == "UID_MIN" {
			if n, err := strconv.ParseUint(f[1], 10, 32); err == nil {
				return uint32(n)
			}
		}
		text = text[i+1:]
	}
}

// kernels says whether a path is in a directory that the command gets from us.
func (b *builder) kernels(path string) bool {
	return under(path, "/proc") || under(path, "/sys") || under(path, "/dev")
}

// holdsSystem: a directory that holds homes beside the system's own files is not hidden as a whole.
func holdsSystem(dir string) bool { return dir != "/home" && isSystem(dir) }

// isSystem: the home of daemon is /usr/sbin, that of bin /bin, that of many containers' users "/". An empty directory in
// their place would leave nothing to run.
func isSystem(dir string) bool {
	for _, d := range []string{"/proc", "/sys", "/dev", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64"} {
		if under(dir, d) {
			return true
		}
	}
	return oneOf(dir, "/ /usr /usr/local /usr/share /var /var/lib /var/cache /var/spool /var/log /opt /home /boot /run /tmp /var/tmp /srv /mnt /media /nix /nix/store /gnu /gnu/store")
}
