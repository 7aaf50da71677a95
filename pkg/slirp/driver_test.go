package slirp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rootless-containers/rootlesskit/v2/pkg/port/builtin"
	"golang.org/x/sys/unix"
)

// newTestDriver is a driver whose inner half is in this process: what is inside is
// 127.0.0.1 too.
func newTestDriver(t *testing.T, slots int) *driver {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir(portsDir, 0o700); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, portsDir) // in full: at its end it removes its socket, wherever we are then
	pipe := filepath.Join(dir, innerReady)
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	quit := make(chan struct{})
	t.Cleanup(func() { close(quit) })
	go func() {
		_ = builtin.NewChildDriver(io.Discard).RunChildDriver(map[string]string{
			"builtin.socketpath": filepath.Join(dir, innerSocket), "builtin.readypipepath": pipe,
		}, quit, "")
	}()
	if f, err := os.Open(pipe); err != nil {
		t.Fatal(err)
	} else if _, err := io.ReadAll(f); err != nil {
		t.Fatal(err)
	}
	h := &Helper{log: io.Discard}
	return &driver{h: h, tcp: tcpInside(loopback4), inside: udpInside(loopback4), slots: make(chan struct{}, slots), open: make(map[Port]io.Closer)}
}

// publish returns the address of a port that leads to one of this host.
func (d *driver) publish(t *testing.T, proto string, to int) (Port, string) {
	t.Helper()
	list := []Port{{Proto: proto, HostIP: "127.0.0.1", Container: to}}
	held, err := Reserve(list)
	if err == nil {
		err = d.add(list[0], held[0])
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.remove(list[0]) })
	return list[0], fmt.Sprintf("127.0.0.1:%d", list[0].Host)
}

// server answers each line with itself, and ends a connection at "reset" by one.
func server(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for in := bufio.NewScanner(c); in.Scan(); {
					if in.Text() == "reset" {
						_ = c.(*net.TCPConn).SetLinger(0)
						return
					}
					fmt.Fprintln(c, in.Text())
				}
				fmt.Fprintln(c, "end")
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func dial(t *testing.T, network, at string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	return c
}

func say(t *testing.T, c net.Conn, text string) string {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64<<10)
	n, err := c.Read(b)
	if err != nil {
		return err.Error()
	}
	return string(b[:n])
}

func TestTCP(t *testing.T) {
	d := newTestDriver(t, 8)
	p, at := d.publish(t, "tcp", server(t))
	c := dial(t, "tcp", at)
	if got := say(t, c, "a\n"); got != "a\n" {
		t.Error(got)
	}
	// Withdrawn: what is there goes on, in both directions to its end.
	d.remove(p)
	if _, err := net.Dial("tcp", at); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("a withdrawn port: %v", err)
	}
	if got := say(t, c, "b\n"); got != "b\n" {
		t.Error(got)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(c); string(rest) != "end\n" || err != nil {
		t.Errorf("behind the end of one direction: %q, %v", rest, err)
	}
}

// TestReset: a reset inside is one outside, and so is nobody behind the port.
func TestReset(t *testing.T) {
	d := newTestDriver(t, 8)
	_, at := d.publish(t, "tcp", server(t))
	if got := say(t, dial(t, "tcp", at), "reset\n"); !strings.Contains(got, unix.ECONNRESET.Error()) {
		t.Error(got)
	}
	c := dial(t, "tcp", at)
	if _, err := c.Write([]byte("reset\n")); err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(c); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("behind the end of one direction: %q, %v", rest, err)
	}
	_, at = d.publish(t, "tcp", 1)
	if got := say(t, dial(t, "tcp", at), "x\n"); !strings.Contains(got, unix.ECONNRESET.Error()) {
		t.Error(got)
	}
	// One that waits for the server to begin would take an end for an empty answer.
	if rest, err := io.ReadAll(dial(t, "tcp", at)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("nobody behind the port: %q, %v", rest, err)
	}
}

// TestFull: where there is no room for one more connection it waits, and the port
// lives.
func TestFull(t *testing.T) {
	d := newTestDriver(t, 1)
	_, at := d.publish(t, "tcp", server(t))
	first := dial(t, "tcp", at)
	if got := say(t, first, "a\n"); got != "a\n" {
		t.Error(got)
	}
	second := dial(t, "tcp", at)
	_ = second.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if got := say(t, second, "b\n"); !strings.Contains(got, "timeout") {
		t.Error(got)
	}
	first.Close()
	_ = second.SetReadDeadline(time.Now().Add(5 * time.Second))
	if got := say(t, second, ""); got != "b\n" {
		t.Error(got)
	}
	if said := d.h.said.Load(); said == nil || !strings.Contains(*said, "at their limit (1 connections)") {
		t.Error("nobody was told")
	}
}

// TestNoDescriptors: accept fails for a while, and the port is there afterwards.
func TestNoDescriptors(t *testing.T) {
	d := newTestDriver(t, 8)
	_, at := d.publish(t, "tcp", server(t))
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	early := dial(t, "tcp", at)
	if got := say(t, early, "a\n"); got != "a\n" {
		t.Error(got)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	to := early.RemoteAddr().(*net.TCPAddr)
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())})
	time.Sleep(50 * time.Millisecond)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := say(t, dial(t, "tcp", at), "b\n"); got != "b\n" {
		t.Error(got)
	}
	if said := d.h.said.Load(); said == nil || !strings.Contains(*said, unix.EMFILE.Error()) {
		t.Error("nobody was told")
	}
}

func TestUDP(t *testing.T) {
	d := newTestDriver(t, 2)
	inside, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	go func() {
		for b := make([]byte, 64<<10); ; {
			n, from, err := inside.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = inside.WriteTo(b[:n], from)
		}
	}()
	p, at := d.publish(t, "udp", inside.LocalAddr().(*net.UDPAddr).Port)
	for i := range 5 { // more clients than are known at a time
		c := dial(t, "udp", at)
		for _, text := range []string{"a", "", strings.Repeat("x", 60000), "b"} {
			if got := say(t, c, text); got != text {
				t.Errorf("client %d: %d bytes for %d", i, len(got), len(text))
			}
		}
	}
	u := d.open[p].(*udpPort)
	if names := known(u); len(names) != 2 {
		t.Errorf("%d clients are known, want 2", len(names))
	}
	// The one that has been silent longest makes room, and not the one that came first.
	first, second := dial(t, "udp", at), dial(t, "udp", at)
	for _, c := range []net.Conn{first, second, first, dial(t, "udp", at)} {
		if got := say(t, c, "x"); got != "x" {
			t.Error(got)
		}
	}
	names := known(u)
	if !names[first.LocalAddr().String()] || names[second.LocalAddr().String()] {
		t.Errorf("known are %v, want %s and not %s", names, first.LocalAddr(), second.LocalAddr())
	}
}

// known are the clients of a port.
func known(u *udpPort) map[string]bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	names := map[string]bool{}
	for at := range u.clients {
		names[netip.AddrPortFrom(at.Addr().Unmap(), at.Port()).String()] = true
	}
	return names
}

// TestKillTheDead: a process that was waited for is not signalled, whoever has its
// number now.
func TestKillTheDead(t *testing.T) {
	dead, other := exec.Command("true"), exec.Command("sleep", "1000")
	for _, c := range []*exec.Cmd{dead, other} {
		if err := c.Start(); err != nil {
			t.Skip("SKIP-PROBE exec: " + err.Error())
		}
	}
	fd, err := unix.PidfdOpen(dead.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = dead.Wait()
	p := &process{Child: Child{Pid: other.Process.Pid, PidFD: os.NewFile(uintptr(fd), "pidfd")}, gone: make(chan struct{})}
	p.kill()
	if err := other.Process.Signal(unix.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := other.Wait(); err == nil || !strings.Contains(err.Error(), "terminated") {
		t.Errorf("the other one: %v", err)
	}
}

func TestRetry(t *testing.T) {
	var r retry
	if pause, ok := r.next(2 * time.Second); pause != 0 || !ok {
		t.Error(pause, ok)
	}
	n := 0
	for ; n < 100; n++ {
		if _, ok := r.next(0); !ok {
			break
		}
	}
	if n != 5 {
		t.Errorf("%d tries", n)
	}
}

func TestTail(t *testing.T) {
	var s tail
	for _, l := range []string{"apifd event", "api_handler: got request: {}", "sent tapfd=5 for tap0", "one", "two"} {
		fmt.Fprintln(&s, l)
	}
	if got := s.behind(); got != ": one; two" {
		t.Errorf("%q", got)
	}
	var p tail
	fmt.Fprintln(&p, "pasta: unrecognized option '--nope'")
	for range 100 {
		fmt.Fprintln(&p, "  --usage   a line of usage that nobody has asked for")
	}
	if got := p.String(); got != "pasta: unrecognized option '--nope'" {
		t.Errorf("%q", got)
	}
}
