package cgroup2

import (
	"os"

	"golang.org/x/sys/unix"
)

// visitor is called for a group and every group below it: enter before those
// below, with the directory, leave behind them, with the directory that the group
// is in and its name there. Both may be nil.
type visitor struct {
	enter func(dir int) error
	leave func(parent int, name string) error
}

// level is one group on the way down, with the groups in it that are still to do.
type level struct {
	name string
	todo []string
}

// walk goes through the group and those below it. What is inside is the
// container's work: levels without number, whose path is longer than the kernel
// takes (PATH_MAX; mkdirat(2) makes them one by one). So there is no recursion, one
// open directory for all levels, and no path but the group's own: up goes by "..".
// Groups may vanish on the way.
func (g Group) walk(v visitor) error {
	at, err := openAt(unix.AT_FDCWD, g.Dir())
	if err != nil {
		return ignoreGone(err)
	}
	defer func() { at.Close() }()
	way := []level{{}}
	for {
		top := &way[len(way)-1]
		if top.todo == nil { // just come in
			if top.todo, err = v.arrive(at); err != nil {
				return err
			}
		}
		if len(top.todo) > 0 {
			name := top.todo[0]
			top.todo = top.todo[1:]
			below, err := openAt(int(at.Fd()), name)
			if Gone(err) {
				continue
			}
			if err != nil {
				return err
			}
			at.Close()
			at = below
			way = append(way, level{name: name})
			continue
		}
		name := top.name
		if way = way[:len(way)-1]; len(way) == 0 {
			return nil
		}
		above, err := openAt(int(at.Fd()), "..")
		if err != nil {
			return err
		}
		at.Close()
		at = above
		if v.leave != nil {
			if err := v.leave(int(at.Fd()), name); err != nil {
				return err
			}
		}
	}
}

// arrive looks at a group and lists those in it; never nil.
func (v visitor) arrive(at *os.File) ([]string, error) {
	if v.enter != nil {
		if err := v.enter(int(at.Fd())); err != nil {
			return nil, err
		}
	}
	names := []string{}
	entries, err := at.ReadDir(-1)
	if err != nil && !Gone(err) {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func openAt(dir int, name string) (*os.File, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func ignoreGone(err error) error {
	if Gone(err) {
		return nil
	}
	return err
}
