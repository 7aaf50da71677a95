package handle

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Shelve frees the descriptors of files that have no plain name in the set, and are held only so that no other file can come
// to their inode numbers: they stay open in a message that nobody receives (unix(7), SCM_RIGHTS) until the set is closed. It is
// for a low limit of open files (RLIMIT_NOFILE). The files cannot be looked at any more, but for those that are needed, which
// stay. Where the kernel takes no message all stay: a user has only so many descriptors on their way.
func (s Set) Shelve(needed []*Handle) {
	var list []*Handle
	for name, h := range s {
		if _, _, special := strings.Cut(name, ":"); special && !strings.HasPrefix(name, "/") && !slices.Contains(list, h) && !s.needs(h, needed) {
			list = append(list, h)
		}
	}
	s.lay(list)
}

// Rest is Shelve for these files of the set alone.
func (s Set) Rest(files []*Handle) {
	var list []*Handle
	for _, h := range files {
		if !slices.Contains(list, h) && !s.needs(h, nil) {
			list = append(list, h)
		}
	}
	s.lay(list)
}

// lay puts files into a message.
func (s Set) lay(list []*Handle) {
	list = slices.DeleteFunc(list, func(h *Handle) bool { return h.FD < 0 })
	const most = 253 // SCM_MAX_FD
	if list = list[:min(len(list), most)]; len(list) < 2 {
		return
	}
	fds := make([]int, len(list))
	for i, h := range list {
		fds[i] = h.FD
	}
	socket, err := send(fds)
	if err != nil {
		return
	}
	for _, h := range list {
		unix.Close(h.FD)
		h.FD = -1
	}
	s.Keep(&Handle{FD: socket})
}

// send puts descriptors into a message, which stays as long as the socket does that it returns.
func send(fds []int) (socket int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = unix.Sendmsg(pair[1], []byte{0}, unix.UnixRights(fds...), nil, unix.MSG_DONTWAIT)
	unix.Close(pair[1])
	if err != nil {
		unix.Close(pair[0])
	}
	return pair[0], err
}

// Wake opens a shelved file again, by a path. Where another file is there, it cannot be looked at still.
func (h *Handle) Wake(path string) {
	again, err := Open(path)
	if err != nil {
		return
	}
	if again.ID != h.ID {
		again.Close()
		return
	}
	h.FD = again.FD
}

// needs says whether another handle of the set, or a needed one, has the same descriptor.
func (s Set) needs(h *Handle, needed []*Handle) bool {
	for name, other := range s {
		if other.FD == h.FD && (other != h || strings.HasPrefix(name, "/")) {
			return true
		}
	}
	return slices.ContainsFunc(needed, func(n *Handle) bool { return n.FD == h.FD })
}
