package lifecycle

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/spec"
	"sandbox/pkg/state"
)

// Where a payload says that it is ready (sd_notify(3)) when the runtime was
// started as a service of Type=notify. The service manager's own socket takes
// more than that from whoever reaches it (another MAINPID, fds to keep, a watchdog
// put off), so the container gets one of ours, and one line of what comes over it
// goes on. The place inside is runc's.
const (
	notifySocket = "notify.sock"
	notifyPlace  = "/run/notify"
)

// offerNotify shows the container a directory for the socket. Not the socket
// itself, which only start makes: whoever has it must be there to read it.
func (r *Runtime) offerNotify(d *state.Dir, o *Options) error {
	if o.Notify == "" || !hasNamespace(o.Spec, specs.MountNamespace) {
		return nil
	}
	source := r.Root.StandIn(o.Paths, unix.S_IFDIR, o.ID, state.NotifyDir)
	if d != nil {
		f, err := d.Sub(state.NotifyDir, 0o755)
		if err == nil {
			source, err = state.Show(o.Paths, f, ".")
			f.Close()
		}
		if err != nil {
			return fmt.Errorf("make the directory of the notify socket: %w", err)
		}
	}
	o.Spec.Mounts = append(o.Spec.Mounts, specs.Mount{
		Destination: notifyPlace, Type: "bind", Source: source,
		Options: []string{"bind", "ro", "nosuid", "nodev", "noexec"},
	})
	o.Spec.Process.Env = spec.LastWins(append(o.Spec.Process.Env, "NOTIFY_SOCKET="+notifyPlace+"/"+notifySocket))
	return nil
}

func hasNamespace(s *specs.Spec, kind specs.LinuxNamespaceType) bool {
	if s.Linux == nil {
		return false
	}
	for _, n := range s.Linux.Namespaces {
		if n.Type == kind {
			return true
		}
	}
	return false
}

// notifier waits for a payload to be ready; nil where nobody wants to know.
type notifier struct {
	host string // the service manager's socket, "@" first for an abstract one
	fd   int    // ours
}

// listenNotify makes the socket, while the payload does not run yet. A container
// that was created without a place for it has no way to say anything: nil.
func listenNotify(d *state.Dir, host string) (*notifier, error) {
	if host == "" {
		return nil, nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("make the notify socket: %w", err)
	}
	path := d.Inside(state.NotifyDir + "/" + notifySocket)
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	if err == nil {
		// Whatever id the payload has: to send needs the right to write. What is
		// around it in the caller's tree lets nobody else get there.
		err = chmodSocket(path, 0o777)
	}
	if err == nil {
		return &notifier{host: host, fd: fd}, nil
	}
	unix.Close(fd)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return nil, fmt.Errorf("make the notify socket: %w", err)
}

// chmodSocket changes the mode of a socket and of nothing that a link in its
// place may lead to.
func chmodSocket(path string, mode uint32) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return unix.ENOTSOCK
	}
	return unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), mode) // fchmod(2) refuses O_PATH
}

func (n *notifier) close() {
	if n != nil {
		unix.Close(n.fd)
	}
}

// relay waits for the payload to be ready and tells the service manager, with the
// process that is the service from then on. It returns when that is done, or
// the payload has ended without a word; with stay it goes on reading, so that
// what a service sends later (STATUS, WATCHDOG) is no error to it.
func (n *notifier) relay(payload *state.Record, main int, stay bool) error {
	if n == nil {
		return nil
	}
	defer n.close()
	// POLLIN of a pidfd is the process's end (pidfd_open(2)).
	watch := []unix.PollFd{{Fd: int32(n.fd), Events: unix.POLLIN}, {Fd: -1, Events: unix.POLLIN}}
	if fd, err := unix.PidfdOpen(payload.Pid, 0); err == nil {
		defer unix.Close(fd)
		watch[1].Fd = int32(fd)
	}
	ended := !payload.Alive() // also when the pidfd is a successor's
	for told := false; ; {
		if !ended {
			if _, err := unix.Poll(watch, -1); err != nil && !errors.Is(err, unix.EINTR) {
				return fmt.Errorf("wait for the payload to be ready: %w", err)
			}
			ended = watch[1].Revents != 0
		}
		if n.ready() && !told {
			if err := n.tell(main); err != nil || !stay {
				return err
			}
			told = true
		}
		if ended {
			return nil
		}
	}
}

// notifyRound is more than a socket holds (net.unix.max_dgram_qlen, 10): others than
// the payload may go on sending when it has ended.
const notifyRound = 64

// ready reads what is there and says whether one line of it was READY=1. Fds
// that come along are closed by the kernel, for no room is given for them, and
// what is longer than any message of systemd's is cut.
func (n *notifier) ready() bool {
	found := false
	buf := make([]byte, 4096)
	for range notifyRound {
		size, err := unix.Read(n.fd, buf)
		if err != nil {
			break
		}
		for _, line := range bytes.Split(buf[:size], []byte{'\n'}) {
			found = found || string(line) == "READY=1"
		}
	}
	return found
}

// barrierPatience is how long the service manager gets to read what was sent. It
// takes it from a process of the service's only, and asks the kernel which
// one's it is: ours may be gone right after (sd_notify_barrier(3)).
const barrierPatience = 5 * time.Second

// tell sends READY=1 to the service manager. One message: with two, the service
// would be up for a moment with the wrong main process.
func (n *notifier) tell(main int) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("reach NOTIFY_SOCKET: %w", err)
	}
	defer unix.Close(fd)
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: n.host})
	if err == nil {
		_, err = unix.Write(fd, fmt.Appendf(nil, "READY=1\nMAINPID=%d\n", main))
	}
	if err != nil {
		return fmt.Errorf("tell NOTIFY_SOCKET %s that the payload is ready: %w", n.host, err)
	}
	barrier(fd)
	return nil
}

// barrier returns when the receiver has read all that was sent: it then closes
// the fd that comes with the last message, whether it knows that one or not.
func barrier(socket int) {
	var ends [2]int
	if unix.Pipe2(ends[:], unix.O_CLOEXEC) != nil {
		return
	}
	defer unix.Close(ends[0])
	err := unix.Sendmsg(socket, []byte("BARRIER=1"), unix.UnixRights(ends[1]), nil, unix.MSG_NOSIGNAL)
	unix.Close(ends[1])
	if err != nil {
		return
	}
	deadline := time.Now().Add(barrierPatience)
	for wait := barrierPatience; wait > 0; wait = time.Until(deadline) {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(ends[0])}}, int(wait.Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
