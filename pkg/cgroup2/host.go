package cgroup2

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Host is what is asked of the host. The zero value is this one, for somebody
// without a session; roots are fields so that tests can point them at a folder.
type Host struct {
	Mount      string // of cgroup v2; "" is [Mount]
	Proc       string // "" is /proc
	Run        string // "" is /run: root's systemd is below it
	RuntimeDir string // XDG_RUNTIME_DIR: the user's is below it
	BusAddress string // DBUS_SESSION_BUS_ADDRESS

	// System says that the scope is asked of the system's systemd: we are root
	// in the initial user namespace.
	System bool

	// Patience is how long systemd may take for one answer; 0 is half a minute.
	Patience time.Duration
}

// Reasons why there is no group to be had.
var (
	ErrNoV2     = errors.New("cgroup v2 is not mounted")
	ErrOutside  = errors.New("our cgroup is outside of our cgroup namespace")
	ErrReadOnly = errors.New("the cgroup file system is mounted read-only")
	ErrNotOurs  = errors.New("no cgroup that we may write to")
	ErrNoBus    = errors.New("no systemd to ask")
	ErrDisabled = errors.New("cgroups are disabled")
	ErrLate     = errors.New("systemd has not answered in time")

	ErrUnitTaken = errors.New("container's cgroup is not empty: a unit of this name exists already")
)

func (h Host) mount() string { return orElse(h.Mount, Mount) }

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Group is a group of this host.
func (h Host) Group(path string) Group { return Group{Mount: h.mount(), Path: path} }

// Of is the group that a process is in.
func (h Host) Of(pid int) (string, error) { return h.groupOf(strconv.Itoa(pid)) }

// own is our own group.
func (h Host) own() (string, error) { return h.groupOf("self") }

// groupOf is the group that a process is in, from the line "0::PATH" of
// /proc/PID/cgroup (cgroups(7)).
func (h Host) groupOf(pid string) (string, error) {
	b, err := readFile(filepath.Join(orElse(h.Proc, "/proc"), pid, "cgroup"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if p, ok := strings.CutPrefix(line, "0::"); ok {
			p = strings.TrimSuffix(p, "\n")
			if p == "/.." || strings.HasPrefix(p, "/../") {
				return "", fmt.Errorf("%w: %s", ErrOutside, p)
			}
			return path.Clean("/" + p), nil
		}
	}
	return "", ErrNoV2
}

// v2 says whether the mount is cgroup v2, and may be written to. On a hybrid host
// /sys/fs/cgroup is a tmpfs with the controllers of version 1.
func (h Host) v2() error {
	var fs unix.Statfs_t
	if err := unix.Statfs(h.mount(), &fs); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrNoV2, h.mount(), err)
	}
	if h.Mount == "" && fs.Type != unix.CGROUP2_SUPER_MAGIC {
		return fmt.Errorf("%w at %s", ErrNoV2, h.mount())
	}
	if fs.Flags&unix.ST_RDONLY != 0 {
		return ErrReadOnly
	}
	return nil
}
