package lifecycle

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// sendPidfd sends a pidfd of a new process over a socket, with one word that
// says what kind it is, as runc's --pidfd-socket does: "standard" for a
// container's, "setns" for an exec's. The process waits at its last gate, so the
// pid is still its own, and whoever gets the fd holds on to no other one.
func sendPidfd(socket *os.File, kind string, pid int) error {
	if socket == nil {
		return nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("--pidfd-socket: open the new process: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendmsg(int(socket.Fd()), []byte(kind), unix.UnixRights(fd), nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("--pidfd-socket: send the pidfd: %w", err)
	}
	return nil
}
