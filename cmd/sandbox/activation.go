package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"sandbox/pkg/lifecycle"
	"sandbox/pkg/spec"
)

// notifySocket is the socket of the service manager that has started us and
// waits for the payload to be ready (sd_notify(3)). Other kinds of address than a
// path or an abstract name mean a host around this machine.
func notifySocket() string {
	address := os.Getenv("NOTIFY_SOCKET")
	if strings.HasPrefix(address, "/") || strings.HasPrefix(address, "@") {
		return address
	}
	return ""
}

// activate passes on the sockets of a service manager (sd_listen_fds(3)): they
// are the first fds after the standard ones, those of --preserve-fds come behind
// them, and the payload is told of them as runc does it. A LISTEN_PID that is
// not ours speaks of somebody else's.
func activate(o *lifecycle.Options) error {
	o.Notify = notifySocket()
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > 1<<16 {
		return fmt.Errorf("LISTEN_FDS is %q: want a number of file descriptors", os.Getenv("LISTEN_FDS"))
	}
	if n == 0 {
		return nil
	}
	o.PreserveFds += n
	pid := 1
	if o.Init {
		pid = 2 // the payload is the first child of the container's init
	}
	env := append(withoutListen(o.Spec.Process.Env), fmt.Sprintf("LISTEN_FDS=%d", n), fmt.Sprintf("LISTEN_PID=%d", pid))
	if names, has := os.LookupEnv("LISTEN_FDNAMES"); has {
		env = append(env, "LISTEN_FDNAMES="+names)
	}
	o.Spec.Process.Env = spec.LastWins(env)
	return nil
}

func withoutListen(env []string) []string {
	var kept []string
	for _, e := range env {
		if !strings.HasPrefix(e, "LISTEN_") {
			kept = append(kept, e)
		}
	}
	return kept
}
