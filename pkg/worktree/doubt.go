package worktree

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// doubt is a directory of which not all was looked at when a command had ended, and when the first such command began.
// What was written since then is looked at again by whoever looks at all of it.
type doubt struct {
	id    handle.ID
	since unix.Timespec
	path  string
}

// Doubts is the file that holds them, below the caller's own home: a line "DEV INO SEC NSEC PATH" for each.
const Doubts = ".local/state/sandbox/not-looked-at"

// openDoubts opens and locks the file of doubts. It counts for nothing where a command could have written it: in what is
// shared, or in a directory that others can write.
func (g *Guard) openDoubts(flags int) (*os.File, error) {
	if !filepath.IsAbs(g.ask.Memory) {
		return nil, unix.ENOENT
	}
	dir, err := handle.Open(filepath.Dir(g.ask.Memory))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if dir.UID != uint32(os.Geteuid()) || dir.Mode&0o022 != 0 || !g.apart(dir) {
		return nil, unix.EPERM
	}
	fd, err := unix.Openat(dir.FD, filepath.Base(g.ask.Memory), flags|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), g.ask.Memory), unix.Flock(fd, unix.LOCK_EX)
}

// apart says whether a directory lies in nothing that is shared.
func (g *Guard) apart(dir *handle.Handle) bool {
	at, err := dir.Dup()
	if err != nil {
		return false
	}
	defer func() { at.Close() }()
	for {
		for _, a := range g.areas() {
			if at.ID == a.dir.ID {
				return false
			}
		}
		up, err := at.Open("..")
		if err != nil {
			return false
		}
		root := up.ID == at.ID
		at.Close()
		if at = up; root {
			return true
		}
	}
}

func readDoubts(f *os.File) (list []doubt) {
	data, err := readFD(int(f.Fd()), mostRead)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		var d doubt
		n, err := fmt.Sscanf(line, "%d %d %d %d %q\n", &d.id.Dev, &d.id.Ino, &d.since.Sec, &d.since.Nsec, &d.path)
		if n == 5 && err == nil {
			list = append(list, d)
		}
	}
	return list
}

// doubtful is since when what is in the shared directory may not have been looked at: when this command began, or an earlier
// one here, above or below.
func (g *Guard) doubtful() unix.Timespec {
	since := g.since
	f, err := g.openDoubts(unix.O_RDONLY)
	if f == nil {
		return since
	}
	defer f.Close()
	for _, d := range readDoubts(f) {
		if err == nil && d.concerns(g) && later(since, d.since) {
			since = d.since
		}
	}
	return since
}

func (d doubt) concerns(g *Guard) bool {
	_, below1 := below(g.now(), d.path)
	return below1 || d.within(g)
}

func (d doubt) within(g *Guard) bool {
	_, in := below(d.path, g.now())
	return in || d.id == g.dir.ID
}

// keepDoubt remembers that not all of the shared directory was looked at, or that all was.
func (g *Guard) keepDoubt(since unix.Timespec, all bool) error {
	flags := unix.O_RDWR
	if !all {
		flags |= unix.O_CREAT
		if err := os.MkdirAll(filepath.Dir(g.ask.Memory), 0o700); err != nil {
			return err
		}
	}
	f, err := g.openDoubts(flags)
	if err != nil {
		return err
	}
	defer f.Close()
	var b strings.Builder
	write := func(d doubt) {
		fmt.Fprintf(&b, "%d %d %d %d %q\n", d.id.Dev, d.id.Ino, d.since.Sec, d.since.Nsec, d.path)
	}
	for _, d := range readDoubts(f) {
		if !d.within(g) {
			write(d)
		}
	}
	if !all {
		write(doubt{g.dir.ID, since, g.now()})
	}
	_, err = f.WriteAt([]byte(b.String()), 0)
	if err == nil {
		err = f.Truncate(int64(b.Len()))
	}
	return err
}
