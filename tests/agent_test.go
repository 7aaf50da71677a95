package tests

import (
	bin "encoding/binary"
	"fmt"
	"net"
	"os"
	"reflect"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// helpAgent is a seccomp agent (runtime-spec, "The Container Process State") around a command.
func helpAgent(args []string) (int, error) {
	errno, err := strconv.Atoi(args[1])
	if err != nil {
		return 0, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: args[0]})
	if err != nil {
		return 0, err
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.AcceptUnix()
			if err != nil {
				return
			}
			if err := serve(conn, args[0]+".json", errno); err != nil {
				fmt.Fprintln(os.Stderr, "agent:", err)
			}
		}
	}()
	return helpStatus(args[2:])
}

// serve reads one message, which is all there may be on a connection, and answers for its listener from then on.
func serve(conn *net.UnixConn, file string, errno int) error {
	defer conn.Close()
	text, oob := make([]byte, 1<<16), make([]byte, 64)
	n, oobn, _, _, err := conn.ReadMsgUnix(text, oob)
	if err != nil {
		return err
	}
	if more, _ := conn.Read(make([]byte, 1)); more != 0 {
		return fmt.Errorf("a second message")
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(msgs) != 1 {
		return fmt.Errorf("%d control messages: %w", len(msgs), err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 {
		return fmt.Errorf("%d fds: %w", len(fds), err)
	}
	if err := os.WriteFile(file, text[:n], 0o644); err != nil {
		return err
	}
	go refuse(fds[0], errno)
	return nil
}

// refuse answers in place of the kernel until the last process under the filter has gone.
func refuse(fd, errno int) {
	defer unix.Close(fd)
	for {
		ask, reply := make([]byte, 80), make([]byte, 24) // struct seccomp_notif, seccomp_notif_resp
		if notifyIoctl(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, ask) != 0 {
			return
		}
		copy(reply, ask[:8]) // id
		bin.NativeEndian.PutUint32(reply[16:], uint32(-int32(errno)))
		notifyIoctl(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, reply)
	}
}

func notifyIoctl(fd int, request uint, b []byte) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), reflect.ValueOf(&b[0]).Pointer())
	runtime.KeepAlive(b)
	return errno
}
