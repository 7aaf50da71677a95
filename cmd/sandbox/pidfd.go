package main

import (
	"fmt"
	"os"

	"sandbox/pkg/console"
)

const pidfdUsage = "send a pidfd of the new process to the unix `SOCKET`"

// dialPidfd connects to the socket of --pidfd-socket, nil without one. It
// connects before anything starts: a wrong path is the caller's mistake.
func dialPidfd(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	sock, err := console.Connect(path)
	if err == nil {
		if err = console.NotInside(sock); err != nil {
			sock.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("--pidfd-socket: connect to %q: %w", path, err)
	}
	return sock, nil
}
