package helper

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Place is a directory, whatever its names are.
type Place struct {
	Dev, Ino uint64
	Name     string // for people: "the working directory"
}

// placeAt is what a path leads to now; whoever has it open asks fstat(2) instead.
func placeAt(path, name string) (Place, bool) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	return Place{st.Dev, st.Ino, name}, err == nil
}

// unshared says whether a directory lies outside of all that commands may write.
func (f *Finder) unshared(dir int) error {
	var places []Place
	if at, ok := f.workingDirectory(); ok {
		places = append(places, at)
	}
	if f.Shared != nil {
		places = append(places, f.Shared()...)
	}
	in, err := below(dir, places)
	if err == nil && in != nil {
		err = fmt.Errorf("%s is writable by commands", in.Name)
	}
	return err
}

// below is the first of these places that a directory is, or lies in, by the directories above it: the same one may
// have many names. It is nil for none.
func below(dir int, places []Place) (*Place, error) {
	at, err := unix.Openat(dir, ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { unix.Close(at) }()
	var last unix.Stat_t
	for {
		var st unix.Stat_t
		if err := unix.Fstat(at, &st); err != nil {
			return nil, err
		}
		for i, p := range places {
			if p.Dev == st.Dev && p.Ino == st.Ino {
				return &places[i], nil
			}
		}
		if st.Dev == last.Dev && st.Ino == last.Ino {
			return nil, nil // "/.." is "/"
		}
		last = st
		up, err := unix.Openat(at, "..", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		unix.Close(at)
		at = up
	}
}

// workingDirectory is what commands write most, now or the last time. One that is $HOME, or has it in it, is shared
// with none; / is one of those, whoever is at home where.
func (f *Finder) workingDirectory() (Place, bool) {
	at, ok := placeAt(".", "the working directory")
	slash, _ := placeAt("/", "")
	if !ok || at.Dev == slash.Dev && at.Ino == slash.Ino {
		return at, false
	}
	home := f.env("HOME")
	fd, err := unix.Open(home, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if !filepath.IsAbs(home) || err != nil {
		return at, true
	}
	defer unix.Close(fd)
	above, err := below(fd, []Place{at})
	return at, err != nil || above == nil
}
