package slirp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/rootless-containers/rootlesskit/v2/pkg/lowlevelmsgutil"
	"github.com/rootless-containers/rootlesskit/v2/pkg/port/builtin"
	"github.com/rootless-containers/rootlesskit/v2/pkg/port/builtin/msg"
	"golang.org/x/sys/unix"
)

// portsDir is where the two halves of the port driver meet, and all that the inner
// one sees. It is below the network's directory, which has more in it.
const portsDir = "ports"

// RootlessKit's names in it.
const (
	innerSocket = ".bp.sock"
	innerReady  = ".bp-ready.pipe"
)

// PortsArg is the only argument of the driver's inner half.
const PortsArg = "__ports"

// ServePorts is the inner half, RootlessKit's; it returns only with an error.
func ServePorts() error {
	return builtin.NewChildDriver(io.Discard).RunChildDriver(map[string]string{
		"builtin.socketpath": "/" + innerSocket, "builtin.readypipepath": "/" + innerReady,
	}, make(chan struct{}), "")
}

// startInner starts the inner half and returns when it listens: it opens the pipe
// before and closes it then.
func (h *Helper) startInner() (*process, error) {
	if err := os.Mkdir(portsDir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	pipe := filepath.Join(portsDir, innerReady)
	for _, left := range []string{pipe, filepath.Join(portsDir, innerSocket)} {
		_ = os.Remove(left) // of one that was killed
	}
	fd, err := newPipe(pipe)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	p, err := h.start(&Program{Args: []string{"sandbox", PortsArg}, User: h.Userns, Net: true, Root: portsDir})
	if err != nil {
		return nil, fmt.Errorf("start the port driver inside: %w", err)
	}
	// No POLLHUP before there was a writer (fs/pipe.c, pipe_poll).
	if err := waitFor(fd, p); err != nil {
		p.kill()
		return nil, fmt.Errorf("start the port driver inside: %w", err)
	}
	return p, nil
}

// newPipe makes a named pipe and opens its reading end.
func newPipe(path string) (int, error) {
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return -1, &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

func waitFor(fd int, p *process) error {
	watch := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(p.PidFD.Fd()), Events: unix.POLLIN}}
	for end := time.Now().Add(patience); ; {
		n, err := unix.Poll(watch, max(0, int(time.Until(end).Milliseconds()))) // less is for ever
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n <= 0:
			return fmt.Errorf("not ready within %s", patience)
		case watch[1].Revents != 0:
			<-p.gone
			return fmt.Errorf("it has ended (%w)", p.how)
		default:
			return nil
		}
	}
}

// dialPatience is how long the inner half may take for one connection, which a
// server inside that does not answer can make long.
const dialPatience = 30 * time.Second

// dialInner has the inner half connect to a port inside. RootlessKit's protocol: JSON
// behind its length, and the connected socket comes back as SCM_RIGHTS, or JSON
// with an error. Its own function for that looks through all the host's addresses
// each time, knows no time limit, and drops the error.
func dialInner[C net.Conn](q *msg.Request) (inside C, err error) {
	c, err := net.Dial("unix", filepath.Join(portsDir, innerSocket))
	if err != nil {
		return inside, err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(dialPatience))
	if _, err := lowlevelmsgutil.MarshalToWriter(c, q); err != nil {
		return inside, err
	}
	buf, oob := make([]byte, 4<<10), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := c.(*net.UnixConn).ReadMsgUnix(buf, oob)
	if err != nil {
		return inside, err
	}
	if oobn == 0 {
		return inside, innerError(buf[:n])
	}
	conn, err := received(oob[:oobn])
	if err != nil {
		return inside, err
	}
	// It comes from the container's side, which may be anything.
	inside, ok := conn.(C)
	if !ok {
		_ = conn.Close()
		return inside, fmt.Errorf("the port driver's half inside sent a %T", conn)
	}
	return inside, nil
}

func innerError(b []byte) error {
	var reply msg.Reply
	if len(b) < 4 || json.NewDecoder(bytes.NewReader(b[4:])).Decode(&reply) != nil || reply.Error == "" {
		return errors.New("the port driver's half inside said nothing that makes sense")
	}
	return errors.New(reply.Error)
}

// received is the connection of a control message.
func received(oob []byte) (net.Conn, error) {
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if fds, err := unix.ParseUnixRights(&list[i]); err == nil && len(fds) == 1 {
			f := os.NewFile(uintptr(fds[0]), "inside")
			defer f.Close()
			return net.FileConn(f)
		}
	}
	return nil, errors.New("the port driver's half inside sent no connection")
}
