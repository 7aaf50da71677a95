package console

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestDial(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	long := filepath.Join(dir, strings.Repeat("d", 120), strings.Repeat("e", 120))
	must(t, os.MkdirAll(long, 0o755))
	must(t, os.Symlink(long, filepath.Join(dir, "link")))
	for _, path := range []string{filepath.Join(dir, "s"), filepath.Join(long, "s"), filepath.Join(dir, "link", "t")} {
		listener, remove, err := listen(path)
		must(t, err)
		sock, err := Dial(path)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := accept(listener)
		must(t, err)
		wantFlags(t, sock, true, false)
		_, err = sock.WriteString("hello")
		must(t, err)
		buf := make([]byte, 9)
		if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "hello" {
			t.Errorf("%s: %q, %v", path, buf[:n], err)
		}
		for _, f := range []*os.File{sock, conn, listener} {
			f.Close()
		}
		remove()
	}
}

// TestDialPatience: a receiver whose queue is full is waited for, and not for ever.
func TestDialPatience(t *testing.T) {
	noLeaks(t)
	defer func(was time.Duration) { dialPatience = was }(dialPatience)
	dialPatience = 50 * time.Millisecond
	path := filepath.Join(t.TempDir(), "full")
	fd := bind(t, path, unix.SOCK_STREAM)
	defer unix.Close(fd)
	must(t, unix.Listen(fd, 0))
	first, err := Dial(path)
	must(t, err)
	defer first.Close()
	err = within(t, "Dial", func() error {
		sock, err := Dial(path)
		if err == nil {
			sock.Close()
		}
		return err
	})
	if !errors.Is(err, unix.ETIMEDOUT) || !strings.Contains(err.Error(), "nobody takes the connection within 50ms") {
		t.Errorf("error %v", err)
	}
}

func TestDialErrors(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o666))
	unix.Close(bind(t, filepath.Join(dir, "deaf"), unix.SOCK_STREAM))
	defer unix.Close(bind(t, filepath.Join(dir, "packets"), unix.SOCK_DGRAM))
	for _, tt := range []struct {
		path  string
		errno unix.Errno
		words string
	}{
		{filepath.Join(dir, "none"), unix.ENOENT, "no socket there"},
		{filepath.Join(dir, "file/below"), unix.ENOTDIR, "no socket there"},
		{filepath.Join(dir, strings.Repeat("x", 200), "none"), unix.ENOENT, "no socket there"},
		{filepath.Join(dir, "file"), unix.ECONNREFUSED, "not a socket"},
		{dir, unix.ECONNREFUSED, "not a socket"},
		{filepath.Join(dir, "deaf"), unix.ECONNREFUSED, "nobody listens"},
		{filepath.Join(dir, "packets"), unix.EPROTOTYPE, "not a stream socket"},
		{filepath.Join(dir, strings.Repeat("x", 200)), unix.EINVAL, "too long"},
		{dir + "/a\x00b", unix.ENOENT, "no socket there"},
	} {
		sock, err := Dial(tt.path)
		if err == nil {
			sock.Close()
			t.Errorf("%q: no error", tt.path)
			continue
		}
		if !errors.Is(err, tt.errno) || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%q: %v; want %v and %q", tt.path, err, tt.errno, tt.words)
		}
	}
}

func bind(t *testing.T, path string, kind int) (fd int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	must(t, withShortPath(path, func(p string) error { return unix.Bind(fd, &unix.SockaddrUnix{Name: p}) }))
	return fd
}

func TestPair(t *testing.T) {
	noLeaks(t)
	ours, child, err := Pair()
	must(t, err)
	defer ours.Close()
	wantFlags(t, ours, true, true)
	wantFlags(t, child, true, false)
	child.Close()
	if _, _, err := Receive(ours); !errors.Is(err, ErrNoConsole) {
		t.Errorf("after the child's death: %v", err)
	}
}

func wantFlags(t *testing.T, f *os.File, cloexec, nonblock bool) {
	t.Helper()
	must(t, control(f, func(fd int) {
		fdFlags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		must(t, err)
		status, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		must(t, err)
		if got := fdFlags&unix.FD_CLOEXEC != 0; got != cloexec {
			t.Errorf("%s: close-on-exec %v", f.Name(), got)
		}
		if got := status&unix.O_NONBLOCK != 0; got != nonblock {
			t.Errorf("%s: non-blocking %v", f.Name(), got)
		}
	}))
}

func TestReceive(t *testing.T) {
	noLeaks(t)
	master, open := newPTY(t)
	defer master.Close()
	slave := open()
	defer slave.Close()
	plain, err := os.Open("/dev/null")
	must(t, err)
	defer plain.Close()
	many := make([]*os.File, maxFDs)
	for i := range many {
		many[i] = master
	}
	for _, tt := range []struct {
		name, text string
		files      []*os.File
		want       string // in the error; "" for success
	}{
		{"one master", "/dev/ptmx", []*os.File{master}, ""},
		{"one byte", "x", []*os.File{master}, ""},
		{"longest name", strings.Repeat("n", maxName), []*os.File{master}, ""},
		{"name too long", strings.Repeat("n", maxName+1), []*os.File{master}, "longer than 4096"},
		{"any bytes", "\x00\x1b[2J", []*os.File{master}, ""},
		{"no descriptor", "name", nil, "0 descriptors"},
		{"two", "name", []*os.File{master, master}, "2 descriptors"},
		{"as many as can be", "name", many, "253 descriptors"},
		{"no terminal", "name", []*os.File{plain}, "not the master"},
		{"a slave", "name", []*os.File{slave}, "not the master"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ours, child, err := Pair()
			must(t, err)
			defer ours.Close()
			defer child.Close()
			send(t, child, tt.text, tt.files)
			before := len(openFDs(t))
			got, name, err := Receive(ours)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
				if after := len(openFDs(t)); after != before {
					t.Errorf("%d descriptors are open, %d before", after, before)
				}
				return
			}
			must(t, err)
			defer got.Close()
			wantFlags(t, got, true, false)
			if name != tt.text {
				t.Errorf("name %q", name)
			}
		})
	}
}

func send(t *testing.T, sock *os.File, text string, files []*os.File) {
	t.Helper()
	var fds []int
	for _, f := range files {
		must(t, control(f, func(fd int) { fds = append(fds, fd) }))
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	must(t, control(sock, func(fd int) { must(t, unix.Sendmsg(fd, []byte(text), oob, nil, 0)) }))
}

// Closing our end ends a Receive that waits, which is how a child that never sends is given up.
func TestReceiveInterrupted(t *testing.T) {
	noLeaks(t)
	ours, child, err := Pair()
	must(t, err)
	defer child.Close()
	result := make(chan error, 1)
	go func() {
		_, _, err := Receive(ours)
		result <- err
	}()
	ours.Close()
	if err := within(t, "Receive", func() error { return <-result }); err == nil {
		t.Error("a console from a closed socket")
	}
}

// FuzzParseFDs feeds control messages as a hostile sender could shape them, if the kernel let it.
func FuzzParseFDs(f *testing.F) {
	f.Add([]byte{})
	f.Add(unix.UnixCredentials(&unix.Ucred{Pid: 1}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 1, 0, 0, 0})
	f.Add([]byte{17, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7})
	f.Add(append([]byte{21, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}, "12345678"...))
	f.Add(unix.UnixRights(7, 8, 9))
	f.Fuzz(func(t *testing.T, oob []byte) {
		fds, err := parseFDs(oob)
		if err == nil && len(fds)*4 > len(oob) {
			t.Errorf("%d descriptors from %d bytes", len(fds), len(oob))
		}
	})
}
