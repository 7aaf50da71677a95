package rootfs

import (
	"errors"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// links answers where a destination lies whose path leads through links that
// name nothing yet, such as /var/run in an image without /run: what the link
// names is to be made, inside the root.
//
// The answer is a guess about names, made by the parent before the fork, and
// nothing depends on its being right: the child makes one component at a time
// and looks each up inside the root again. Who changes a link meanwhile gets
// a directory elsewhere in the same root, or an error.
type links struct {
	over map[string]cover // what is mounted last at a path of the container without links; "." is the root
	n    int

	name, answer string // the last question: a place is looked for, then remembered
}

// cover is a tree that can be looked at, or cannot, from a path on.
type cover struct {
	order int    // of the mounts
	dir   string // in the caller's tree; "" for what is made new and is empty
}

// maxLinks is the kernel's limit for one path (path_resolution(7)).
const maxLinks = 40

// add is told what is mounted where, in the order of the mounts.
func (l *links) add(at, dir string) {
	if l.over == nil {
		l.over = map[string]cover{}
	}
	if at == "" {
		at = "."
	}
	l.n++
	l.over[at], l.name = cover{l.n, dir}, ""
}

// resolve is name with its links replaced by what they say, as if the root were
// "/". Where the parent cannot look, the rest of name stays as it is.
func (l *links) resolve(name string) string {
	if l.name != name {
		l.name, l.answer = name, l.follow(name)
	}
	return l.answer
}

func (l *links) follow(name string) string {
	done, left := "", strings.Split(name, "/")
	for followed := 0; len(left) > 0; {
		part := left[0]
		left = left[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			done = strings.TrimPrefix(path.Dir("/"+done), "/")
			continue
		}
		next := path.Join(done, part)
		target, err := l.read(next)
		switch {
		case errors.Is(err, unix.EINVAL): // there, and no link
			done = next
		case err != nil:
			return inside(path.Join(append([]string{next}, left...)...))
		case followed == maxLinks:
			return name
		default:
			followed++
			if path.IsAbs(target) {
				done = ""
			}
			left = append(strings.Split(target, "/"), left...)
		}
	}
	return inside(done)
}

// read is readlink(2) of a path whose other components are no links. EINVAL
// means that it is something else.
func (l *links) read(name string) (string, error) {
	where, c := "", cover{}
	for at := name; ; at = up(at) {
		if found := l.over[at]; found.order > c.order {
			where, c = at, found
		}
		if at == "." {
			break
		}
	}
	switch {
	case c.order == 0:
		return "", unix.ENOENT
	case where == name:
		return "", unix.EINVAL // what is mounted there
	case c.dir == "":
		return "", unix.ENOENT
	}
	var buf [unix.PathMax]byte
	below := "/" + name
	if where != "." {
		below = strings.TrimPrefix(name, where)
	}
	n, err := unix.Readlink(c.dir+below, buf[:])
	return string(buf[:max(n, 0)]), err
}
