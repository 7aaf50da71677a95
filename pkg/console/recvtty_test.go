package console

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// receiver is RecvTTY in the background.
type receiver struct {
	path   string
	cancel context.CancelFunc
	result chan error
}

func startReceiver(t *testing.T, r Receiver) *receiver {
	t.Helper()
	dir := t.TempDir()
	r.Path, r.PIDFile = filepath.Join(dir, "sock"), filepath.Join(dir, "pid")
	ctx, cancel := context.WithCancel(context.Background())
	rt := &receiver{path: r.Path, cancel: cancel, result: make(chan error, 1)}
	go func() { rt.result <- RecvTTY(ctx, r) }()
	t.Cleanup(cancel)
	until(t, "the pid file", func() bool { return exists(r.PIDFile) })
	return rt
}

func (rt *receiver) end(t *testing.T) error {
	t.Helper()
	err := within(t, "RecvTTY", func() error { return <-rt.result })
	if exists(rt.path) {
		t.Error("the socket is still there")
	}
	return err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// deliver sends a fresh pty's master to the receiver, as the child of a container does, and returns the slave.
func (rt *receiver) deliver(t *testing.T) *os.File {
	t.Helper()
	sock, err := Dial(rt.path)
	must(t, err)
	defer sock.Close()
	master, open := newPTY(t)
	defer master.Close()
	slave := open()
	send(t, sock, "/dev/ptmx", []*os.File{master})
	return slave
}

func TestRecvSingle(t *testing.T) {
	noLeaks(t)
	r, w := newPipe(t)
	in, typed := newPipe(t)
	defer in.Close()
	out := collect(r)
	rt := startReceiver(t, Receiver{Mode: Single, In: in, Out: w})
	slave := rt.deliver(t)
	rawSlave(t, slave)
	_, err := typed.WriteString("keys")
	must(t, err)
	// The receiver's input ends, the container's does not: nothing more than the keys arrives.
	typed.Close()
	buf := make([]byte, 16)
	if n, err := slave.Read(buf); err != nil || string(buf[:n]) != "keys" {
		t.Errorf("the payload read %q, %v", buf[:n], err)
	}
	until(t, "removal of the socket, after which nobody else can connect", func() bool { return !exists(rt.path) })
	settings, err := termios(slave)
	must(t, err)
	settings.Oflag |= unix.OPOST // what is left of a new terminal's
	must(t, setTermios(slave, settings))
	_, err = slave.WriteString("output\n")
	must(t, err)
	until(t, "output", func() bool { return out.String() == "output\n" })
	if ready(t, slave) {
		t.Error("something was typed at the end of the receiver's input")
	}
	slave.Close()
	must(t, rt.end(t))
	w.Close()
	<-out.done
	if out.String() != "output\n" {
		t.Errorf("out %q", out)
	}
}

// ready reports whether a read would find something now.
func ready(t *testing.T, f *os.File) (yes bool) {
	t.Helper()
	must(t, control(f, func(fd int) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		must(t, err)
		yes = n > 0
	}))
	return yes
}

func TestRecvNull(t *testing.T) {
	noLeaks(t)
	rt := startReceiver(t, Receiver{Mode: Null})
	bad, err := Dial(rt.path)
	must(t, err)
	send(t, bad, "nothing", nil)
	bad.Close()
	var slaves []*os.File
	for range 5 {
		slaves = append(slaves, rt.deliver(t))
	}
	for _, slave := range slaves {
		// More than a pty holds: it goes through only because somebody reads.
		_, err := slave.WriteString(strings.Repeat("dropped\n", 1<<14))
		must(t, err)
	}
	slaves[0].Close() // one ends by itself, the others by the receiver's end
	rt.cancel()
	must(t, rt.end(t))
	for _, slave := range slaves[1:] {
		if _, err := slave.WriteString("x"); !errors.Is(err, unix.EIO) {
			t.Errorf("a console is still held: %v", err)
		}
		slave.Close()
	}
}

func TestRecvStopped(t *testing.T) {
	noLeaks(t)
	stops := map[string]func(*receiver){
		"cancel": func(rt *receiver) { rt.cancel() },
		"signal": func(*receiver) { must(t, unix.Kill(os.Getpid(), unix.SIGTERM)) },
	}
	for name, stop := range stops {
		t.Run(name+" before a console", func(t *testing.T) {
			rt := startReceiver(t, Receiver{})
			stop(rt)
			if err := rt.end(t); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		t.Run(name+" before a message", func(t *testing.T) {
			rt := startReceiver(t, Receiver{})
			sock, err := Dial(rt.path)
			must(t, err)
			defer sock.Close()
			stop(rt)
			if err := rt.end(t); err == nil {
				t.Error("no error")
			}
		})
		t.Run(name+" with a console", func(t *testing.T) {
			r, w := newPipe(t)
			out := collect(r)
			rt := startReceiver(t, Receiver{Out: w})
			slave := rt.deliver(t)
			_, err := slave.WriteString("seen")
			must(t, err)
			until(t, "output", func() bool { return out.String() == "seen" })
			stop(rt)
			if err := rt.end(t); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			slave.Close()
			w.Close()
			<-out.done
		})
	}
}

func TestListen(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "taken")
	must(t, os.WriteFile(path, []byte("mine"), 0o600))
	err := RecvTTY(context.Background(), Receiver{Path: path})
	if !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("an existing file: %v", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "mine" {
		t.Errorf("the file that was there: %q, %v", data, err)
	}

	// Somebody replaced the socket: what is there now is not ours to remove.
	path = filepath.Join(dir, "replaced")
	listener, remove, err := listen(path)
	must(t, err)
	defer listener.Close()
	must(t, os.Rename(path, path+".old"))
	must(t, os.WriteFile(path, nil, 0o600))
	remove()
	if !exists(path) {
		t.Error("a foreign file was removed")
	}

	path = filepath.Join(dir, "pidless")
	err = RecvTTY(context.Background(), Receiver{Path: path, PIDFile: filepath.Join(dir, "none/pid")})
	if !errors.Is(err, unix.ENOENT) || exists(path) {
		t.Errorf("a pid file that cannot be written: %v, socket left: %v", err, exists(path))
	}
}

func TestParseMode(t *testing.T) {
	for text, want := range map[string]Mode{"single": Single, "null": Null, "": "", "both": ""} {
		got, err := ParseMode(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParseMode(%q) = %q, %v", text, got, err)
		}
	}
}
