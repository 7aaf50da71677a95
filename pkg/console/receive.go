package console

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// maxName is what go-runc's reader takes; a console that sends more to one reader than another accepts is broken.
	maxName = 4096
	// maxFDs is SCM_MAX_FD, the most one message can carry: room for all of them, so that surplus descriptors arrive and can
	// be closed instead of depending on how the kernel truncates.
	maxFDs = 253
)

// ErrNoConsole is Receive's error when the other side closed the socket without sending: the child ended before it had a
// terminal, and the child's own error is the one to report.
var ErrNoConsole = errors.New("the socket was closed before a console arrived")

// Pair returns a connected pair of close-on-exec sockets for a console that no socket of the caller's waits for. The
// child's end is blocking, see Dial. Ours is not, so that Receive can be ended by closing it or by a deadline.
// The caller closes child as soon as the child has been started, else Receive never sees the child's death.
func Pair() (ours, child *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket pair for the console: %w", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, fmt.Errorf("making a socket pair for the console: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "console"), os.NewFile(uintptr(fds[1]), "console of the child"), nil
}

// Receive takes a pty's master from sock: one message of 1 to 4096 bytes, which are the name the sender has for it, with
// exactly one descriptor. What arrives is foreign: descriptors too many are closed, a thing that is no pty master is
// refused (TIOCGPTN answers for nothing else), and name may hold any bytes.
func Receive(sock *os.File) (master *os.File, name string, err error) {
	text, fds, err := recvFDs(sock)
	if err != nil {
		return nil, "", fmt.Errorf("receiving a console: %w", err)
	}
	if err := checkConsole(text, fds); err != nil {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return nil, "", fmt.Errorf("receiving a console: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "console"), string(text), nil
}

func checkConsole(text []byte, fds []int) error {
	switch {
	case len(text) == 0 && len(fds) == 0:
		return ErrNoConsole
	case len(text) == 0:
		return errors.New("the message has no name")
	case len(text) > maxName:
		return fmt.Errorf("the name is longer than %d bytes", maxName)
	case len(fds) != 1:
		return fmt.Errorf("%d descriptors arrived with %q, want exactly one", len(fds), text)
	}
	if _, err := unix.IoctlGetInt(fds[0], unix.TIOCGPTN); err != nil {
		return fmt.Errorf("what arrived as %q is not the master of a terminal: %w", text, err)
	}
	return nil
}

// recvFDs does one recvmsg. Descriptors are returned even with an error's cause in the text, for the caller to close.
func recvFDs(sock *os.File) (text []byte, fds []int, err error) {
	conn, err := sock.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	buf := make([]byte, maxName+1) // one more, to tell a name that is too long
	oob := make([]byte, unix.CmsgSpace(maxFDs*4))
	n, oobn, flags, err := recvMessage(conn, buf, oob)
	if err != nil {
		return nil, nil, err
	}
	fds, err = parseFDs(oob[:oobn])
	if err == nil && flags&unix.MSG_CTRUNC != 0 {
		// Out of descriptors (RLIMIT_NOFILE), or a message nobody could have sent: the kernel has dropped some.
		err = errors.New("descriptors were lost on the way; is the limit of open files reached (ulimit -n)?")
	}
	if err != nil {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return nil, nil, err
	}
	return buf[:n], fds, nil
}

// recvMessage waits for one message and puts its text into buf and its control messages into oob.
func recvMessage(conn syscall.RawConn, buf, oob []byte) (n, oobn, flags int, err error) {
	var recvError error
	err = conn.Read(func(fd uintptr) bool {
		for {
			// MSG_CMSG_CLOEXEC: a flag set afterwards would be too late for a fork in another thread.
			n, oobn, flags, _, recvError = unix.Recvmsg(int(fd), buf, oob, unix.MSG_CMSG_CLOEXEC)
			if !errors.Is(recvError, unix.EINTR) {
				return !errors.Is(recvError, unix.EAGAIN)
			}
		}
	})
	if err == nil {
		err = recvError
	}
	return n, oobn, flags, err
}

// parseFDs collects the descriptors of all control messages; others, such as credentials, are passed over.
func parseFDs(oob []byte) ([]int, error) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var fds []int
	for i := range msgs {
		if msgs[i].Header.Level != unix.SOL_SOCKET || msgs[i].Header.Type != unix.SCM_RIGHTS {
			continue
		}
		// ParseUnixRights indexes past the end of a length that is no multiple of four. Linux sends none; a kernel in user
		// space may.
		msgs[i].Data = msgs[i].Data[:len(msgs[i].Data)&^3]
		some, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			return fds, err
		}
		fds = append(fds, some...)
	}
	return fds, nil
}
