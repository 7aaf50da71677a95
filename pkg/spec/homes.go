package spec

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// cover is a directory of the host that the command must not see, and gets an empty one instead of.
type cover struct {
	path string
	home bool // the caller's: theirs to write, and to nobody else to read
}

// homes are the directories in which people keep what is theirs: keys, tokens, mail. They are known by device and inode,
// for the same directory may be mounted in other places too.
type homes struct {
	own    []string        // $HOME and the user database's, which differ under sudo and in CI
	covers []cover         // what is hidden, everywhere it can be seen
	names  map[string]bool // of people's homes, in the directories that hold them
	holds  map[handle.ID]bool
}

// findHomes looks for the caller's own homes and for those of all people of this host, root included: as root one could
// read them, and many are open to all. People are accounts from UID_MIN on (login.defs(5)); the directory that holds
// their homes (/home) is hidden as a whole, with what else lies there, unless it is one of the system's.
func (b *builder) findHomes() *homes {
	h := &homes{names: map[string]bool{}, holds: map[handle.ID]bool{}}
	for _, home := range []string{b.caller.Home, b.caller.PasswdHome} {
		dir := b.realDir(home)
		switch {
		case dir == "" || contains(h.own, dir):
		case isSystem(dir):
			b.notice("home-not-hidden", "home directory %s belongs to the system: it is not hidden from the command", dir)
		default:
			h.own = append(h.own, dir)
		}
	}
	h.hide(b.people(h))
	h.covers = b.passable(h.covers)
	h.hide(h.own)
	for _, c := range h.covers {
		if id, ok := b.id(c.path); ok && !contains(h.own, c.path) {
			h.holds[id] = true
		}
	}
	b.findViews(h)
	for i, c := range h.covers {
		h.covers[i].home = contains(h.own, c.path)
	}
	return h
}

// passable leaves out what the caller may not enter: nor may the command, which has no more rights over it.
func (b *builder) passable(covers []cover) []cover {
	kept := covers[:0]
	for _, c := range covers {
		if unix.Faccessat(unix.AT_FDCWD, b.onHost(c.path), unix.X_OK, unix.AT_EACCESS) != unix.EACCES {
			kept = append(kept, c)
		}
	}
	return kept
}

// hide adds directories to cover, but for those that lie in one that is covered already. The caller's own homes are there
// all the same, empty.
func (h *homes) hide(dirs []string) {
	for _, dir := range dirs {
		if !h.covered(dir) || contains(h.own, dir) && !h.listed(dir) {
			h.covers = append(h.covers, cover{path: dir})
		}
	}
}

func (h *homes) covered(dir string) bool {
	for _, c := range h.covers {
		if under(dir, c.path) {
			return true
		}
	}
	return false
}

func (h *homes) listed(dir string) bool {
	for _, c := range h.covers {
		if c.path == dir {
			return true
		}
	}
	return false
}

// people lists the directories that hold people's homes, and homes that lie among the system's own directories. Nobody's
// home is looked at, each of which an automounter may have to fetch.
func (b *builder) people(h *homes) (dirs []string) {
	data, err := readRegular(b.onHost("/etc/passwd"))
	if err != nil {
		return nil
	}
	from := uint32(0)
	holders := map[string]string{} // as passwd names them -> real
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
		holder, known := holders[filepath.Dir(home)]
		if !known {
			holder = b.realDir(filepath.Dir(home))
			holders[filepath.Dir(home)] = holder
			if holder != "" && !holdsSystem(holder) {
				dirs = append(dirs, holder)
			}
		}
		switch {
		case holder == "":
		case !holdsSystem(holder):
			h.names[filepath.Base(home)] = true
			// A home on another disk, with a link in its place. To read a link mounts nothing.
			if _, err := os.Readlink(b.onHost(filepath.Join(holder, filepath.Base(home)))); err == nil {
				if dir := b.realDir(home); dir != "" && !isSystem(dir) && !contains(dirs, dir) {
					dirs = append(dirs, dir)
				}
			}
		default:
			if dir := b.realDir(home); dir != "" && !isSystem(dir) && !contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
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

// findViews adds the other places where what is covered can be seen: a second mount of its file system, or of a part.
func (b *builder) findViews(h *homes) {
	if b.caller.Mounts == nil {
		return
	}
	paths := make([]string, len(h.covers))
	for i, c := range h.covers {
		paths[i] = c.path
	}
	for _, view := range b.caller.Mounts.Views(paths) {
		if !h.covered(view) && !b.kernels(view) {
			h.covers = append(h.covers, cover{path: view})
		}
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
