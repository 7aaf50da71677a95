package cgroup2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

const (
	manager     = "org.freedesktop.systemd1.Manager"
	managerPath = "/org/freedesktop/systemd1"
	systemdName = "org.freedesktop.systemd1"
)

// bus finds a socket on which systemd answers. Its own ("private") comes first:
// there is no bus daemon between, nothing to say hello to and nothing to subscribe
// to. A host without systemd costs nothing.
func (h Host) bus() (string, error) {
	var candidates []string
	if h.System {
		run := orElse(h.Run, "/run")
		candidates = []string{filepath.Join(run, "systemd/private"), filepath.Join(run, "dbus/system_bus_socket")}
	} else {
		if h.RuntimeDir != "" {
			candidates = append(candidates, filepath.Join(h.RuntimeDir, "systemd/private"))
		}
		candidates = append(candidates, unixPaths(h.BusAddress)...)
		if h.RuntimeDir != "" {
			candidates = append(candidates, filepath.Join(h.RuntimeDir, "bus"))
		}
	}
	for _, path := range candidates {
		if heard(path) && !h.outer(path) {
			return path, nil
		}
	}
	if len(candidates) == 0 {
		return "", fmt.Errorf("%w: neither XDG_RUNTIME_DIR nor DBUS_SESSION_BUS_ADDRESS is set", ErrNoBus)
	}
	return "", fmt.Errorf("%w: nobody listens at %s", ErrNoBus, strings.Join(candidates, ", "))
}

// heard says whether somebody listens at a socket, and notices nothing of it: to
// connect with another type of socket than his is EPROTOTYPE, where a systemd
// that has ended has left its file it is ECONNREFUSED (unix(7)).
func heard(path string) bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return errors.Is(unix.Connect(fd, &unix.SockaddrUnix{Name: path}), unix.EPROTOTYPE)
}

// unixPaths are the sockets of a D-Bus address list (D-Bus Specification, "Server
// Addresses"). Escaped bytes are left out: no host escapes a path.
func unixPaths(address string) []string {
	var paths []string
	for one := range strings.SplitSeq(address, ";") {
		options, ok := strings.CutPrefix(one, "unix:")
		if !ok {
			continue
		}
		for option := range strings.SplitSeq(options, ",") {
			if p, ok := strings.CutPrefix(option, "path="); ok && filepath.IsAbs(p) && !strings.Contains(p, "%") {
				paths = append(paths, p)
			}
		}
	}
	return paths
}

// systemd is a connection to a manager.
type systemd struct {
	conn    *dbus.Conn
	direct  bool // to systemd itself
	signals chan *dbus.Signal
	ctx     context.Context //nolint:containedctx // the patience is that of the connection
	cancel  context.CancelFunc
}

// defaultPatience is long enough for a machine that starts a hundred containers; runc's.
const defaultPatience = 30 * time.Second

func (h Host) patience() time.Duration {
	if h.Patience == 0 {
		return defaultPatience
	}
	return h.Patience
}

// dial connects. The patience counts from here, for all that is asked.
func (h Host) dial(path string) (*systemd, error) {
	patience := h.patience()
	s := &systemd{direct: filepath.Base(path) == "private", signals: make(chan *dbus.Signal, 64)}
	s.ctx, s.cancel = context.WithTimeout(context.Background(), patience)
	raw, err := (&net.Dialer{}).DialContext(s.ctx, "unix", path)
	if err != nil {
		s.cancel()
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	if err := sameProcesses(raw); err != nil {
		_ = raw.Close()
		s.cancel()
		return nil, fmt.Errorf("connect to systemd at %s: %w", path, err)
	}
	deadline, _ := s.ctx.Deadline()
	_ = raw.SetDeadline(deadline) // authentication knows no context
	s.conn, err = dbus.NewConn(raw, dbus.WithContext(s.ctx))
	if err == nil {
		err = s.greet()
	}
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) || s.ctx.Err() != nil {
			err = fmt.Errorf("%w, within %s", ErrLate, patience)
		}
		_ = raw.Close()
		s.cancel()
		return nil, fmt.Errorf("connect to systemd at %s: %w", path, err)
	}
	// From here the context ends what takes too long, and says so. This is for a
	// write that a full socket holds up, which it cannot end.
	_ = raw.SetDeadline(deadline.Add(time.Second))
	return s, nil
}

// outer says whether a systemd belongs to an outer pid namespace, for somebody who is
// in one: a container that has its host's socket.
func (h Host) outer(path string) bool {
	const initial = "pid:[4026531836]" // PROC_PID_INIT_INO
	if ns, err := os.Readlink(filepath.Join(orElse(h.Proc, "/proc"), "self/ns/pid")); err == nil && ns == initial {
		return false
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return false // the same error will be told
	}
	err = sameProcesses(conn)
	_ = conn.Close()
	return errors.Is(err, ErrNoBus)
}

// sameProcesses refuses a systemd that does not number processes as we do: it would
// put somebody else's into the scope. From here one of an outer pid namespace has the
// number 0 (unix(7), SO_PEERCRED).
func sameProcesses(conn net.Conn) error {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	if e := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); e != nil {
		return e
	}
	if err == nil && peer.Pid == 0 {
		return fmt.Errorf("%w: it is in another pid namespace, and knows our processes by other numbers", ErrNoBus)
	}
	return err
}

// greet authenticates. No user id is sent: the socket says who we are, also
// where we are root in a user namespace and have another id outside.
func (s *systemd) greet() error {
	if err := s.conn.Auth([]dbus.Auth{dbus.AuthExternal("")}); err != nil {
		return err
	}
	s.conn.Signal(s.signals)
	if s.direct {
		return nil
	}
	if err := s.conn.Hello(); err != nil {
		return err
	}
	err := s.conn.AddMatchSignalContext(s.ctx, dbus.WithMatchInterface(manager), dbus.WithMatchMember("JobRemoved"))
	if err != nil {
		return err
	}
	return s.call("Subscribe").Err
}

// call asks the manager.
func (s *systemd) call(method string, args ...any) *dbus.Call {
	c := s.conn.Object(systemdName, managerPath).CallWithContext(s.ctx, manager+"."+method, 0, args...)
	switch {
	case c.Err != nil && s.ctx.Err() != nil:
		c.Err = fmt.Errorf("%s: %w", method, ErrLate)
	case errors.Is(c.Err, io.EOF), errors.Is(c.Err, dbus.ErrClosed):
		c.Err = fmt.Errorf("%w: no answer to %s", errHungUp, method)
	}
	return c
}

var errHungUp = errors.New("the connection to systemd has ended")

// job waits for the end of a job, whose result is "done" when all went well.
func (s *systemd) job(path dbus.ObjectPath) error {
	for {
		select {
		case <-s.ctx.Done():
			return fmt.Errorf("its job is not done: %w", ErrLate)
		case sig, open := <-s.signals:
			if !open && s.ctx.Err() != nil {
				continue // the context has closed it
			}
			if !open {
				return errHungUp
			}
			if sig.Name != manager+".JobRemoved" || len(sig.Body) < 4 || sig.Body[1] != path {
				continue
			}
			if result, _ := sig.Body[3].(string); result != "done" {
				return fmt.Errorf("systemd's job ended with %q", result)
			}
			return nil
		}
	}
}

func (s *systemd) close() {
	_ = s.conn.Close()
	s.cancel()
}
