package slirp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// controlSocket is the helper's own, in the network's directory.
const controlSocket = "control.sock"

// request is one line to a helper, answered with one line.
type request struct {
	Add    []Port `json:"add,omitempty"`
	Remove []Port `json:"remove,omitempty"` // the host's side of them
}

// Answer is what a helper says.
type Answer struct {
	Ports []Port `json:"ports"`          // all, or those that were added
	Said  string `json:"said,omitempty"` // its last word, which a detached container's caller has not seen
	Error string `json:"error,omitempty"`
}

// listen makes the socket of `sandbox port`. Who may ask is who may enter the
// directory: its owner.
func (h *Helper) listen() (*net.UnixListener, error) {
	_ = os.Remove(controlSocket)
	return net.ListenUnix("unix", &net.UnixAddr{Name: controlSocket, Net: "unix"})
}

func (h *Helper) control(l *net.UnixListener) {
	for {
		c, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptors, for the moment
			time.Sleep(20 * time.Millisecond)
			continue
		}
		foreign := stranger(c)
		go func() {
			defer func() { _ = c.Close() }()
			_ = c.SetDeadline(time.Now().Add(patience))
			var q request
			err := json.NewDecoder(io.LimitReader(c, 16<<20)).Decode(&q)
			var a Answer
			switch {
			case foreign != nil:
				err = foreign
			case err == nil:
				a.Ports, err = h.do(&q)
			}
			if err != nil {
				a.Error = err.Error()
			}
			if said := h.said.Load(); said != nil && foreign == nil {
				a.Said = *said
			}
			_ = json.NewEncoder(c).Encode(&a)
		}()
	}
}

// stranger refuses who is in other namespaces than we: a payload on the host's
// tree is the same user, and may see the socket where --root is. Its number may
// be another's by the time /proc is read, so a pidfd (SO_PEERPIDFD, since
// Linux 6.5) must say that it still runs afterwards.
func stranger(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	var failed, noPidfd error
	var pidfd int
	if err := raw.Control(func(fd uintptr) {
		peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		pidfd, noPidfd = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	}); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	if noPidfd == nil {
		defer unix.Close(pidfd)
	} else if !errors.Is(noPidfd, unix.ENOPROTOOPT) {
		return noPidfd
	}
	for _, ns := range []string{"user", "net"} {
		ours, err := os.Readlink("/proc/self/ns/" + ns)
		if err != nil {
			return err
		}
		theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", peer.Pid, ns))
		if err != nil || theirs != ours {
			return fmt.Errorf("asked from another %s namespace than the container was started in: ask from that one", ns)
		}
	}
	if noPidfd == nil && errors.Is(unix.PidfdSendSignal(pidfd, 0, nil, 0), unix.ESRCH) {
		return errors.New("who asked has ended")
	}
	return nil
}

// do adds or removes all ports or none.
func (h *Helper) do(q *request) ([]Port, error) {
	switch {
	case len(q.Add) > 0:
		return q.Add, h.addAll(q.Add)
	case len(q.Remove) > 0:
		list, err := h.named(q.Remove)
		if err != nil {
			return nil, err
		}
		return nil, h.withdraw(list)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Port{}, h.ports...), nil
}

func (h *Helper) addAll(list []Port) error {
	if err := h.CheckPorts(list); err != nil {
		return err
	}
	held, err := h.Reserve(list)
	if err != nil {
		return err
	}
	for i, p := range list {
		if err := h.publish(p, held[i]); err != nil {
			Release(held[i+1:])
			return errors.Join(err, h.withdraw(list[:i]))
		}
	}
	return nil
}

// Closed says whether the helper of a network has closed all its ports.
func Closed(dir string) bool {
	_, err := os.Lstat(dir + "/" + controlSocket)
	return err != nil
}

// Ask talks to the helper whose network has that directory, which may be below
// /proc/self/fd: a socket's address has room for 107 bytes. With neither ports
// to add nor to remove it lists.
func Ask(dir string, add, remove []Port) (*Answer, error) {
	c, err := net.DialTimeout("unix", dir+"/"+controlSocket, patience)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("its network publishes no ports")
		}
		return nil, &GoneError{err}
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience + 5*time.Second))
	if err := json.NewEncoder(c).Encode(request{Add: add, Remove: remove}); err != nil {
		return nil, &GoneError{err}
	}
	var a Answer
	if err := json.NewDecoder(io.LimitReader(c, 16<<20)).Decode(&a); err != nil {
		return nil, &GoneError{err}
	}
	if a.Error != "" {
		return nil, errors.New(a.Error)
	}
	return &a, nil
}

// GoneError is a helper that does not answer.
type GoneError struct{ err error }

// Error leaves out the socket, which is seen through our own descriptors.
func (e *GoneError) Error() string {
	var errno unix.Errno
	if errors.As(e.err, &errno) {
		return "the helper of its network does not answer: " + errno.Error()
	}
	return "the helper of its network does not answer: " + e.err.Error()
}
