package tests

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// onFirst: what is called before main is on the first thread, and stays there if it holds on to it.
var onFirst = func() bool {
	if len(os.Args) > 1 && os.Args[1] == helperArg+"headless" {
		runtime.LockOSThread()
		return true
	}
	return false
}()

// headless FILE ends its first thread, as pthread_exit(3) does, and goes on in another, which writes FILE.
func headless(args []string) error {
	if len(args) != 1 || !onFirst {
		return errors.New("usage: headless FILE")
	}
	go func() {
		time.Sleep(100 * time.Millisecond)
		if err := os.WriteFile(args[0], []byte("gone on\n"), 0o600); err != nil {
			os.Exit(1)
		}
		time.Sleep(1000 * time.Second)
		os.Exit(0)
	}()
	_, _, errno := unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
	return errno
}

// burrow goes down from the working directory, a cgroup, to one whose path is longer than the kernel takes (PATH_MAX), moves
// there, says so in FILE and stays.
func burrow(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: burrow FILE")
	}
	name := strings.Repeat("d", 199)
	for range 30 {
		if err := errors.Join(unix.Mkdir(name, 0o755), unix.Chdir(name)); err != nil {
			return err
		}
	}
	if err := os.WriteFile("cgroup.procs", []byte("0"), 0); err != nil {
		return err
	}
	if err := os.WriteFile(args[0], []byte("there\n"), 0o600); err != nil {
		return err
	}
	time.Sleep(1000 * time.Second)
	return nil
}
