package helper

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// names are the programs that are run for us.
var names = []string{"getsubids", "newgidmap", "newuidmap", "pasta", "ps", "sandbox-image", "slirp4netns"}

// Path is $PATH for what we run, which is somebody else's program.
const Path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"

// usual are the directories that a host's programs are in, whatever $PATH says: clients start a runtime with little more
// than XDG_RUNTIME_DIR. The first are NixOS's and Guix's, which have the only privileged copies there.
var usual = []string{
	"/run/wrappers/bin", "/run/privileged/bin", "/run/setuid-programs", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin",
	"/bin", "/sbin", "/run/current-system/sw/bin", "/run/current-system/profile/bin", "/run/current-system/profile/sbin",
}

// Finder finds programs of the host. The zero value is ready: the real host, this process's environment, and nothing
// shared but its working directory. It keeps what it has found, and is not for several goroutines at once.
type Finder struct {
	// Given are the programs that the caller named, by their names; see [Parse].
	Given map[string]string
	// Exe is where this program is; "" asks /proc/self/exe, which of a copy in memory does not tell.
	Exe string
	// Shared are the directories that commands may write now, with all below them; nil is none. It is asked only where
	// that decides. The working directory always is one, unless it is $HOME or has that in it.
	Shared func() []Place
	// Tell is told what was refused although something else was found, once for each program. Nil tells nobody.
	Tell func(text string)
	// Env is the environment; nil is this process's.
	Env func(name string) string
	// Dirs are searched and believed, and nothing else is: tests point them at folders.
	Dirs []string

	found  map[string]*Program
	nobody *bool // whether uid 65534 is somebody here
}

// Program is what may be run.
type Program struct {
	Path string // for people, and for execve(2) where File is nil
	// File is the program itself where its path could be made another's; it stays open.
	File *os.File
}

// As is the program's path for execve(2) in a process that has File as its descriptor fd. Without close-on-exec: a
// script's interpreter opens it by that path again.
func (p *Program) As(fd int) string {
	if p.File == nil {
		return p.Path
	}
	return fmt.Sprintf("/proc/self/fd/%d", fd)
}

// Here is the program's path for system calls of this process.
func (p *Program) Here() string {
	if p.File == nil {
		return p.Path
	}
	return p.As(int(p.File.Fd()))
}

// Executable says why a file cannot be executed by us.
func Executable(p *Program) error {
	var st unix.Stat_t
	if err := unix.Stat(p.Here(), &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("it is not a file")
	}
	return unix.Access(p.Here(), unix.X_OK) // also of a noexec mount
}

// Find returns the first program of that name that is believed and that usable takes; nil is [Executable]. The error is a
// [*MissingError], or what is wrong with the one that the caller has named.
func (f *Finder) Find(name string, usable func(*Program) error) (*Program, error) {
	if p := f.found[name]; p != nil {
		return p, nil
	}
	if usable == nil {
		usable = Executable
	}
	s := &search{Finder: f, name: name, usable: usable}
	p, err := s.program()
	if err != nil {
		return nil, err
	}
	if len(s.refused) > 0 && f.Tell != nil {
		f.Tell(fmt.Sprintf("%s; %s is run instead (--helper %s=PATH chooses one)", strings.Join(s.refused, "; "), p.Path, name))
	}
	if f.found == nil {
		f.found = make(map[string]*Program)
	}
	f.found[name] = p
	return p, nil
}

func (f *Finder) env(name string) string {
	if f.Env != nil {
		return f.Env(name)
	}
	return os.Getenv(name)
}

// MissingError is a program that was not found, or nowhere where it is believed.
type MissingError struct {
	Name    string
	Refused []string // what has the name, and why it was refused
	Dirs    []string // where it was searched
}

func (e *MissingError) Error() string {
	if len(e.Refused) == 0 {
		return e.Name + " is not installed"
	}
	return fmt.Sprintf("%s; where it is, only root may be able to write, or name it: --helper %s=PATH", strings.Join(e.Refused, "; "), e.Name)
}
