package console

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// maxSunPath is what fits sockaddr_un besides the terminating NUL (unix(7)).
const maxSunPath = len(unix.RawSockaddrUnix{}.Path) - 1

// Dial connects to the console socket at path, an AF_UNIX SOCK_STREAM socket on which somebody listens. The descriptor
// is close-on-exec and blocking: it is for the child, which sends the pty's master over it with one raw sendmsg and has no
// loop to come back to after EAGAIN. Paths of any length the file system takes are good.
//
// It connects at once and not when the container starts: a wrong path is the caller's mistake and costs nothing yet.
func Dial(path string) (*os.File, error) {
	sock, err := Connect(path)
	if err != nil {
		return nil, fmt.Errorf("connecting to console socket %q: %w", path, explainDial(path, err))
	}
	if err := NotInside(sock); err != nil {
		sock.Close()
		return nil, fmt.Errorf("connecting to console socket %q: %w", path, err)
	}
	return sock, nil
}

// dialPatience is how long a receiver may take to accept a connection, and to take what is sent over it. One whose queue is full
// would else keep us for ever.
var dialPatience = 10 * time.Second

// Connect is [Dial] for sockets that somebody else is the receiver of: what is wrong is the errno alone.
func Connect(path string) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	sock := os.NewFile(uintptr(fd), path)
	wait := unix.NsecToTimeval(dialPatience.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait); err != nil {
		sock.Close()
		return nil, err
	}
	if err := withShortPath(path, func(short string) error { return connect(fd, short) }); err != nil {
		sock.Close()
		return nil, err
	}
	return sock, nil
}

func connect(fd int, path string) error {
	for end := time.Now().Add(dialPatience); ; {
		// The runtime preempts with a signal; a connect that waits for the receiver's backlog comes back with EINTR and,
		// for AF_UNIX, nothing has happened yet.
		err := unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		switch late := time.Now().After(end); {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR) && late:
			return fmt.Errorf("nobody takes the connection within %s: %w", dialPatience, unix.ETIMEDOUT)
		case !errors.Is(err, unix.EINTR):
			return err
		}
	}
}

// withShortPath gives use a name of the same file that fits sockaddr_un. The parent is held open rather than made the
// working directory, which belongs to every thread. A name that is itself too long (over about 90 bytes) stays too long
// and gets the kernel's EINVAL from the wrapper; binding has no way around that.
func withShortPath(path string, use func(short string) error) error {
	if len(path) <= maxSunPath {
		return use(path)
	}
	dir, name := splitPath(path)
	parent, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	return use("/proc/self/fd/" + strconv.Itoa(parent) + "/" + name)
}

// splitPath is filepath.Split without its cleaning: "a/link/.." is not "a" when link is a symbolic link.
func splitPath(path string) (dir, name string) {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[:i+1], path[i+1:]
		}
	}
	return ".", path
}

// explainDial turns an errno into what is wrong with the path. It looks a second time only to word the message.
func explainDial(path string, err error) error {
	var what string
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		what = "no socket there; start the receiver first (sandbox recvtty SOCKET)"
	case errors.Is(err, unix.ECONNREFUSED) && !isSocket(path):
		what = "this is not a socket"
	case errors.Is(err, unix.ECONNREFUSED):
		what = "nobody listens on it; the receiver has ended"
	case errors.Is(err, unix.EPROTOTYPE):
		what = "it is not a stream socket (SOCK_STREAM)"
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENAMETOOLONG):
		what = "its name is too long for a socket, use a shorter one"
	default:
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

func isSocket(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&os.ModeSocket != 0
}
