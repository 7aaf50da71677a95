package cgroup2

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// writable says whether groups can be made in this one, and processes moved to
// them: delegation hands over the directory and cgroup.procs.
func (g Group) writable() bool {
	for _, name := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
		if unix.Faccessat(unix.AT_FDCWD, g.file(name), unix.W_OK, unix.AT_EACCESS) != nil {
			return false
		}
	}
	return true
}

// made are the groups that were made for one container, topmost first.
type made []Group

func (m made) undo() {
	for _, g := range slices.Backward(m) {
		_ = unix.Rmdir(g.Dir())
	}
}

// makeDirectory makes a group with those above it that are missing, and passes
// all controllers on to it that can be had. One that is there already is taken where
// somebody has named it, or where we made it; our own name may be anybody's group.
func (h Host) makeDirectory(p string, own bool) (made, error) {
	var all made
	missing := h.missing(p)
	if len(missing) == 0 && own && h.Group(p).Owner() == "" {
		return nil, &OccupiedError{fmt.Sprintf("cgroup %s is there already, and no container's: give the container another id, or name a group in linux.cgroupsPath", p)}
	}
	for _, dir := range ancestors(p) {
		if !slices.Contains(missing, dir) {
			h.Group(dir).passOn()
		}
	}
	for i, dir := range missing {
		g, last := h.Group(dir), i == len(missing)-1
		err := unix.Mkdir(g.Dir(), 0o755)
		if errors.Is(err, unix.EEXIST) && !last {
			continue // another container of the same parent was quicker
		}
		if err != nil {
			all.undo()
			return nil, fmt.Errorf("make cgroup %s: %w", dir, err)
		}
		all = append(all, g)
		if !last {
			g.passOn()
		}
	}
	err := h.Group(p).vacant(len(missing) > 0)
	if err != nil {
		all.undo()
		return nil, err
	}
	return all, nil
}

// OccupiedError is a group in which a container cannot begin, for what is in it already. Its
// words begin as runc's, which its callers match on.
type OccupiedError struct{ why string }

func (e *OccupiedError) Error() string { return e.why }

// vacant says why a container cannot live in a group. A frozen one, or one made
// below a frozen one, would stop it on its way; somebody else's processes would be
// limited, frozen and killed with it.
func (g Group) vacant(fresh bool) error {
	frozen, err := g.event("frozen")
	switch {
	case err != nil:
		return fmt.Errorf("look at cgroup %s: %w", g.Path, err)
	case frozen:
		return &OccupiedError{fmt.Sprintf("container's cgroup unexpectedly frozen: cgroup %s is frozen, by itself or by one above it", g.Path)}
	case fresh:
		return nil
	}
	// The list of processes shows none that is outside of our pid namespace.
	lives, err := g.event("populated")
	if err == nil && lives {
		such := ""
		if pids, _ := g.Procs(); len(pids) > 0 {
			such = fmt.Sprintf(", such as %d", pids[0])
		}
		err = &OccupiedError{fmt.Sprintf("container's cgroup is not empty: cgroup %s has processes already%s", g.Path, such)}
	}
	return err
}

// ancestors of a group, topmost first.
func ancestors(p string) []string {
	var list []string
	for p != "/" {
		p = path.Dir(p)
		list = append(list, p)
	}
	slices.Reverse(list)
	return list
}

// reachable says why a group cannot be made: the nearest one above it that is
// there is not ours.
func (h Host) reachable(p string) error {
	nearest := p
	if missing := h.missing(p); len(missing) > 0 {
		nearest = path.Dir(missing[0])
	}
	if g := h.Group(nearest); !g.writable() {
		return fmt.Errorf("%w: cannot write to %s: %w", ErrNotOurs, g.Path, unix.EACCES)
	}
	return nil
}

// missing are the ancestors of a group, itself included, that do not exist.
func (h Host) missing(p string) []string {
	var list []string
	for ; p != "/"; p = path.Dir(p) {
		if _, err := os.Lstat(h.Group(p).Dir()); err == nil {
			break
		}
		list = append(list, p)
	}
	slices.Reverse(list)
	return list
}

// passOn enables every controller of a group for those below it. Each by itself:
// one that is refused must not keep the others.
func (g Group) passOn() {
	have, _ := readFile(g.file("cgroup.controllers"))
	passed, _ := readFile(g.file("cgroup.subtree_control"))
	already := strings.Fields(string(passed))
	for _, c := range strings.Fields(string(have)) {
		if !slices.Contains(already, c) {
			_ = g.put("cgroup.subtree_control", "+"+c)
		}
	}
}

// put writes one file of the group.
func (g Group) put(name, value string) error {
	fd, err := unix.Open(g.file(name), unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(value))
	return err
}

// add moves a process into the group.
func (g Group) add(pid int) error {
	err := g.put("cgroup.procs", strconv.Itoa(pid))
	why := ""
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EBUSY):
		why = ": it passes controllers on to those below it (cgroup.subtree_control), and so takes no process"
	case errors.Is(err, unix.EOPNOTSUPP):
		why = ": it is threaded, or below one that is (cgroup.type), and takes no whole process"
	}
	return fmt.Errorf("move process %d to cgroup %s: %w%s", pid, g.Path, err, why)
}

func openDirectory(g Group) (*os.File, error) {
	fd, err := unix.Open(g.Dir(), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open cgroup %s: %w", g.Path, err)
	}
	return os.NewFile(uintptr(fd), g.Path), nil
}

// refusedByPlace says whether an error is one of the rules about who may move
// whom where (cgroup-v2.rst, "Delegation Containment").
func refusedByPlace(err error) bool {
	return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)
}
