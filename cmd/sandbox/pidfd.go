package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const pidfdUsage = "send a pidfd of the new process to the unix `SOCKET`"

// dialPidfd connects to the socket of --pidfd-socket, nil without one. It
// connects before anything starts: a wrong path is the caller's mistake.
func dialPidfd(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("--pidfd-socket: %w", err)
	}
	sock := os.NewFile(uintptr(fd), path)
	for {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		sock.Close()
		return nil, fmt.Errorf("--pidfd-socket: connect to %q: %w", path, err)
	}
	return sock, nil
}
