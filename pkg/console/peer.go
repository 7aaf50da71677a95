package console

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
)

// NotInside refuses a receiver that is in a container: a command that runs there, with the directory of the socket in it, may
// have put one of its own in its place, and would have the terminal of another. Whoever made the socket counts (SO_PEERCRED,
// unix(7)); one in a pid namespace around ours is seen as 0, and is good.
func NotInside(sock *os.File) error {
	fd := int(sock.Fd())
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || peer.Pid == 0 {
		return err
	}
	pid := int(peer.Pid)
	held, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEERPIDFD) // Linux 6.5; ENODATA or EINVAL where it is gone
	if errors.Is(err, unix.ENOPROTOOPT) {
		held, err = unix.PidfdOpen(pid, 0)
	}
	if err != nil {
		return errors.New("the process that made it has ended, and nobody knows who has it now")
	}
	defer unix.Close(held)
	if inside, err := proc.Inside(pid); err == nil && inside != pid || elsewhere(pid, peer.Uid) {
		return fmt.Errorf("process %d listens on it, which is in a container: a command may have put that there", pid)
	}
	if unix.PidfdSendSignal(held, 0, nil, 0) == unix.ESRCH {
		return errors.New("the process that made it has ended")
	}
	return nil // or /proc does not show it: it is not ours to look at
}

// elsewhere says whether a process has other users or mounts than we, or hides them although it is ours.
func elsewhere(pid int, uid uint32) bool {
	for _, kind := range []string{"user", "mnt"} {
		ours, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			continue
		}
		switch theirs, err := os.Readlink(proc.Dir(pid) + "/ns/" + kind); {
		case err == nil && theirs != ours:
			return true
		case errors.Is(err, os.ErrPermission) && uid == uint32(os.Geteuid()):
			return true
		}
	}
	return false
}
