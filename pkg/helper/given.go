package helper

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Parse takes NAME=PATH, as --helper and the lines of the configuration have it.
func Parse(text string) (name, path string, err error) {
	name, path, ok := strings.Cut(text, "=")
	switch {
	case !ok:
		return "", "", fmt.Errorf("want NAME=PATH")
	case !slices.Contains(names, name):
		return "", "", fmt.Errorf("unknown program %q, want one of %s", name, strings.Join(names, ", "))
	case !filepath.IsAbs(path):
		return "", "", fmt.Errorf("%q must be an absolute path", path)
	case strings.ContainsAny(path, "\x00\n"):
		return "", "", fmt.Errorf("%q: has a NUL byte or a line break in it", path)
	}
	return name, path, nil
}

// maxConfig is more than names and paths can be, bytes.
const maxConfig = 64 << 10

// configured looks the program up in the caller's configuration: $XDG_CONFIG_HOME/sandbox/helpers, lines of NAME=PATH,
// the last of a name counts. It decides only where something is missing or was refused, and is
// believed like a program: it says what is run.
func (s *search) configured() (path, file string) {
	file = s.configuration()
	if file == "" || unix.Access(file, unix.F_OK) != nil {
		return "", ""
	}
	text, err := s.trusted(file)
	if err != nil {
		s.refuse(file, filepath.Dir(file), err)
		return "", ""
	}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, p, err := Parse(line)
		if err != nil {
			s.refused = append(s.refused, fmt.Sprintf("%s:%d: %v", file, i+1, err))
		} else if name == s.name {
			path = p
		}
	}
	return path, file
}

// configuration is that file, "" where nobody could say where.
func (f *Finder) configuration() string {
	dir := f.env("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		if dir = f.env("HOME"); !filepath.IsAbs(dir) {
			return ""
		}
		dir = filepath.Join(dir, ".config")
	}
	return helpersIn(dir)
}

func helpersIn(config string) string { return filepath.Join(config, "sandbox", "helpers") }

// Configuration is what decides about programs of the next start: the caller's file, there or not, also where variables of this
// shell say another place, and the programs that it names. No command may change it.
func (f *Finder) Configuration() (list []string) {
	for _, dir := range []string{f.env("XDG_CONFIG_HOME"), filepath.Join(f.env("HOME"), ".config")} {
		if !filepath.IsAbs(dir) {
			continue
		}
		file := helpersIn(dir)
		if list = append(list, file); unix.Access(file, unix.F_OK) != nil {
			continue
		}
		text, _ := (&search{Finder: f}).readOurs(file, false) // one that is not believed names nothing
		for line := range strings.SplitSeq(text, "\n") {
			if _, path, err := Parse(strings.TrimSpace(line)); err == nil {
				list = append(list, path)
			}
		}
	}
	return list
}

// trusted reads a file that nobody but us and root can write, outside of all that is shared.
func (s *search) trusted(path string) (string, error) { return s.readOurs(path, true) }

// readOurs is trusted, or the same wherever it lies.
func (s *search) readOurs(path string, outside bool) (string, error) {
	fd, dir, err := s.walk(path, s.ours)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	defer unix.Close(dir)
	if err := s.unshared(dir); outside && err != nil {
		return "", err
	}
	f, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig))
	return string(text), err
}
