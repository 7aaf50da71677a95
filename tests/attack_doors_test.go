package tests

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// socketName is a path, or with an "@" before it a name in the abstract namespace. A path that does not fit (unix(7)) is
// gone to.
func socketName(name string) *unix.SockaddrUnix {
	if dir, base := filepath.Split(name); len(name) > 107 && unix.Chdir(dir) == nil {
		name = base
	}
	return &unix.SockaddrUnix{Name: name}
}

// listenAt SECONDS PATH [FILE] is a service outside: it answers everybody who connects, and makes FILE for them. It ends with
// the directory it was started in.
func listenAt(args []string) error {
	seconds, err := strconv.ParseFloat(args[0], 64)
	if err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Bind(fd, socketName(args[1])), unix.Listen(fd, 16)); err != nil {
		return err
	}
	if !strings.HasPrefix(args[1], "@") {
		defer os.Remove(args[1])
	}
	fmt.Println("LISTENS")
	for end := time.Now().Add(time.Duration(seconds * float64(time.Second))); time.Now().Before(end); {
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, _ := unix.Poll(ready, 50); n <= 0 { // or a signal of the Go runtime: accept would wait for ever
			if _, err := os.Stat(here); err != nil {
				return nil
			}
			continue
		}
		conn, _, err := unix.Accept(fd)
		if err != nil {
			return err
		}
		if len(args) > 2 {
			_ = os.WriteFile(args[2], []byte("done\n"), 0o644)
		}
		_, _ = unix.Write(conn, []byte("done\n"))
		unix.Close(conn)
	}
	return nil
}

// knock PATH... asks each service to act for us.
func knock(paths []string) error {
	for _, path := range paths {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := unix.Connect(fd, socketName(path)); err != nil {
			fmt.Println("SAW", path, err)
			unix.Close(fd)
			continue
		}
		answer := make([]byte, 16)
		n, _ := unix.Read(fd, answer)
		fmt.Printf("GOT %q from %s\n", answer[:max(0, n)], path)
		unix.Close(fd)
	}
	return nil
}

// hop SECONDS A B exchanges two names as fast as it can, until the file "stop" is there: the payload of an earlier sandbox,
// in the directory that it shared.
func hop(args []string) error {
	seconds, err := strconv.ParseFloat(args[0], 64)
	if err != nil {
		return err
	}
	n := 0
	for end := time.Now().Add(time.Duration(seconds * float64(time.Second))); time.Now().Before(end); {
		for range 64 {
			if unix.Renameat2(unix.AT_FDCWD, args[1], unix.AT_FDCWD, args[2], unix.RENAME_EXCHANGE) == nil {
				n++
			}
		}
		if _, err := os.Stat("stop"); err == nil {
			break
		}
	}
	fmt.Println("SAW", n, "exchanges")
	return nil
}

// nest SECONDS DIR puts DIR/code/lib in the place of DIR, and back, until the file "stop" is there: what is mounted on
// DIR/code/lib/code is on DIR/code then, and if that has lib/code in it, the path leads there.
func nest(args []string) error {
	seconds, err := strconv.ParseFloat(args[0], 64)
	if err != nil {
		return err
	}
	n := 0
	dir, lib := args[1], filepath.Join(args[1], "code/lib")
	move := func(names ...string) bool {
		for i := 0; i < len(names); i += 2 {
			if unix.Rename(names[i], names[i+1]) != nil {
				return false
			}
		}
		return true
	}
	for end := time.Now().Add(time.Duration(seconds * float64(time.Second))); time.Now().Before(end); {
		for range 64 {
			if move(lib, "t", dir, "u", "t", dir) && move(dir, "t", "u", dir, "t", lib) {
				n++
			}
		}
		if _, err := os.Stat("stop"); err == nil {
			break
		}
	}
	fmt.Println("SAW", n, "moves")
	return nil
}

// blink SECONDS DIR closes a directory and opens it again as fast as it can, until the file "stop" is there.
func blink(args []string) error {
	seconds, err := strconv.ParseFloat(args[0], 64)
	if err != nil {
		return err
	}
	n := 0
	defer func() { _ = os.Chmod(args[1], 0o755) }()
	for end := time.Now().Add(time.Duration(seconds * float64(time.Second))); time.Now().Before(end); {
		for range 64 {
			if unix.Chmod(args[1], 0) == nil && unix.Chmod(args[1], 0o755) == nil {
				n++
			}
		}
		if _, err := os.Stat("stop"); err == nil {
			break
		}
	}
	fmt.Println("SAW", n, "times closed")
	return nil
}

// look PATH... prints what it can read.
func look(paths []string) error {
	for _, path := range paths {
		text, err := os.ReadFile(path)
		fmt.Printf("SAW %s %q %v\n", path, text, err)
	}
	return nil
}
