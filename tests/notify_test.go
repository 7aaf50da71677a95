package tests

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// notify is status of a command that a service manager has started and waits for.
func notify(ts *testscript.TestScript, args []string) error {
	const usage = "notify SOCKET N CMD [ARG...]"
	if len(args) < 3 {
		return usageError(usage)
	}
	want, cmd, err := wanted(args[1:], usage)
	if err != nil {
		return err
	}
	return helper(ts, want, "notify", append([]string{ts.MkAbs(args[0])}, cmd...)...)
}

// helpNotify is a service manager: it listens at a socket, names it to a command in NOTIFY_SOCKET, and writes what it is told,
// a line each message, to a file beside the socket. Fds are counted and closed, which a barrier waits for.
func helpNotify(args []string) (int, error) {
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: args[0], Net: "unixgram"})
	if err != nil {
		return 0, err
	}
	out, err := os.Create(args[0] + ".txt")
	if err != nil {
		return 0, err
	}
	defer out.Close()
	if err := os.Setenv("NOTIFY_SOCKET", args[0]); err != nil {
		return 0, err
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		for hear(l, out) == nil {
		}
	})
	code, err := helpStatus(args[1:])
	_ = l.SetReadDeadline(time.Now().Add(settling)) // what was sent at the very end
	reader.Wait()
	l.Close()
	return code, errors.Join(err, os.RemoveAll(args[0]))
}

func hear(l *net.UnixConn, out *os.File) error {
	buf, oob := make([]byte, 4096), make([]byte, 256)
	n, oobn, _, _, err := l.ReadMsgUnix(buf, oob)
	if err != nil {
		return err
	}
	fds := 0
	messages, _ := unix.ParseSocketControlMessage(oob[:oobn])
	for i := range messages {
		list, _ := unix.ParseUnixRights(&messages[i])
		for _, fd := range list {
			unix.Close(fd)
		}
		fds += len(list)
	}
	text := strings.ReplaceAll(string(bytes.TrimSpace(buf[:n])), "\n", " ")
	_, err = fmt.Fprintf(out, "%s fds=%d\n", text, fds)
	return err
}

// say SECONDS MESSAGE... sends each message, with a file of the sender's, to NOTIFY_SOCKET, and stays that long. "flood"
// sends as fast as it can.
func say(args []string) error {
	stay, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	manager := &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")}
	for _, message := range args[1:] {
		count := 1
		if message == "flood" {
			message, count = strings.Repeat("STATUS=x\n", 10000), 1000
		}
		for range count {
			text := []byte(strings.ReplaceAll(message, "+", "\n"))
			if err := unix.Sendmsg(fd, text, unix.UnixRights(2), manager, 0); err != nil {
				return err
			}
		}
	}
	fmt.Println("said")
	time.Sleep(stay)
	return nil
}
