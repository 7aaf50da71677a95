package helper

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// search is one Find.
type search struct {
	*Finder
	name    string
	usable  func(*Program) error
	refused []string // for people
}

func (s *search) program() (*Program, error) {
	if path, ok := s.Given[s.name]; ok {
		return s.named(path, "--helper")
	}
	p := s.system()
	if p != nil && len(s.refused) == 0 || s.Dirs != nil {
		return s.orMissing(p)
	}
	if p == nil {
		p = s.beside()
	}
	// What was refused is perhaps what the caller wants, and has said so.
	if path, file := s.configured(); path != "" {
		refused := s.refused
		named, err := s.named(path, file)
		if p != nil {
			s.refused = refused // which is told: that what root has is there, and another runs
		}
		return named, err
	}
	return s.orMissing(p)
}

func (s *search) orMissing(p *Program) (*Program, error) {
	if p == nil {
		return nil, &MissingError{s.name, s.refused, s.dirs()}
	}
	return p, nil
}

// system searches where only root can have put a program, in the order of $PATH.
func (s *search) system() *Program {
	for _, dir := range s.dirs() {
		p := &Program{Path: dir + "/" + s.name}
		if s.Dirs == nil {
			if unix.Access(p.Path, unix.X_OK) != nil {
				continue
			}
			if err := s.roots(p.Path, slices.Contains(usual, dir)); err != nil {
				s.refuse(p.Path, dir, err)
				continue
			}
		}
		if s.usable(p) == nil {
			return p
		}
	}
	return nil
}

// roots says why a program is not root's alone. One that is can be named by its path for good. Where / is ours (we are
// root, or in a tree that somebody unpacked as us), owners tell nothing: what commands write is ours too. Then only the
// usual directories count, which no command has unless they are shared with it.
func (s *search) roots(path string, usual bool) error {
	mine := false
	file, dir, err := s.walk(path, func(uid uint32) string {
		if int(uid) == os.Geteuid() && s.ownRoot() {
			mine = true
			return ""
		}
		return s.root(uid)
	})
	if err != nil {
		return err
	}
	defer unix.Close(file)
	defer unix.Close(dir)
	switch {
	case !mine:
		return nil
	case !usual:
		return errors.New("it is yours, and in none of the system's directories")
	}
	return s.unshared(dir)
}

// dirs are those of $PATH and the usual ones. A directory that is relative is no place for a program, and is only looked
// at to tell what was refused.
func (s *search) dirs() []string {
	if s.Dirs != nil {
		return s.Dirs
	}
	var dirs []string
	for _, d := range append(filepath.SplitList(s.env("PATH")), usual...) {
		if d == "" {
			d = "." // as execvp(3) has it
		}
		d = strings.TrimRight(d, "/")
		if !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	return dirs
}

// beside searches the directory of our own program.
func (s *search) beside() *Program {
	exe := s.Exe
	if exe == "" {
		exe, _ = os.Readlink("/proc/self/exe")
	}
	path := filepath.Join(filepath.Dir(exe), s.name)
	if !filepath.IsAbs(exe) || unix.Access(path, unix.F_OK) != nil {
		return nil
	}
	p, err := s.held(path)
	if err != nil {
		s.refuse(path, filepath.Dir(exe), err)
		return nil
	}
	return p
}

// held opens a program that is ours or root's, which nobody else can write, outside of all that is shared.
func (s *search) held(path string) (*Program, error) {
	file, dir, err := s.walk(path, s.ours)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	if err := s.unshared(dir); err != nil {
		unix.Close(file)
		return nil, err
	}
	p := &Program{path, os.NewFile(uintptr(file), path)}
	if err := s.usable(p); err != nil {
		p.File.Close()
		return nil, err
	}
	return p, nil
}

// named is the program that the caller has chosen, and no other.
func (s *search) named(path, where string) (*Program, error) {
	p, err := s.held(path)
	if err != nil {
		return nil, fmt.Errorf("%s (%s) refused: %w", path, where, err)
	}
	s.refused = nil
	return p, nil
}

// refuse notes what was refused. That commands can write there now says more than who owns what.
func (s *search) refuse(path, dir string, err error) {
	if fd, e := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); e == nil {
		if shared := s.unshared(fd); shared != nil {
			err = shared
		}
		unix.Close(fd)
	}
	text := fmt.Sprintf("%s refused: %v", path, err)
	if !slices.Contains(s.refused, text) {
		s.refused = append(s.refused, text)
	}
}
