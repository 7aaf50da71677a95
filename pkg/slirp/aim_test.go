package slirp

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// elsewhere is an address at which a test has nobody listen, in the place of the container's own.
var elsewhere = netip.MustParseAddr("127.0.0.2")

// TestLoopbackTCP: a server on loopback alone is found, of either version of IP, and one that is at the container's own
// address is connected with there.
func TestLoopbackTCP(t *testing.T) {
	d := newTestDriver(t, 8)
	d.tcp = tcpInside(elsewhere)
	for _, at := range []string{"127.0.0.1:0", "[::1]:0", "127.0.0.2:0", "0.0.0.0:0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write([]byte(c.LocalAddr().(*net.TCPAddr).IP.String()))
				_ = c.Close()
			}
		}()
		_, port := d.publish(t, "tcp", l.Addr().(*net.TCPAddr).Port)
		want := strings.Trim(strings.TrimSuffix(at, ":0"), "[]")
		if want == "0.0.0.0" {
			want = elsewhere.String()
		}
		if got := say(t, dial(t, "tcp", port), ""); got != want {
			t.Errorf("a server on %s was asked at %q", at, got)
		}
	}
}

// udpServer answers with its mark and the packet, until stop is called.
func udpServer(t *testing.T, at, mark string) (port int, stop func()) {
	t.Helper()
	c, err := net.ListenPacket("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		for b := make([]byte, 64<<10); ; {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo([]byte(mark+string(b[:n])), from)
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).Port, func() { c.Close() }
}

// TestLoopbackUDP: the first packet arrives at a server on loopback alone, and a client follows a server that moves.
func TestLoopbackUDP(t *testing.T) {
	d := newTestDriver(t, 8)
	d.inside = udpInside(elsewhere)
	to, stop := udpServer(t, "127.0.0.1:0", "loopback ")
	_, at := d.publish(t, "udp", to)
	c := dial(t, "udp", at)
	for _, text := range []string{"a", "b"} {
		if got := say(t, c, text); got != "loopback "+text {
			t.Errorf("%q for %q", got, text)
		}
	}
	stop()
	_, stop = udpServer(t, net.JoinHostPort(elsewhere.String(), strconv.Itoa(to)), "own ")
	eventually(t, c, "c", "own c")
	if got := say(t, c, "d"); got != "own d" {
		t.Errorf("%q", got)
	}
	stop()
	_, _ = udpServer(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(to)), "again ")
	eventually(t, c, "e", "again e")
	// Loopback is left when it does not answer: a server on all addresses would answer from elsewhere.
	_, _ = udpServer(t, net.JoinHostPort(elsewhere.String(), strconv.Itoa(to)), "own ")
	time.Sleep(refusalTime + 10*time.Millisecond)
	if got := say(t, c, "f"); got != "own f" {
		t.Errorf("%q", got)
	}
}

// eventually sends until the answer is the wanted one: a packet is lost to a server that ends.
func eventually(t *testing.T, c net.Conn, text, want string) {
	t.Helper()
	b := make([]byte, 100)
	for range 20 {
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := c.Read(b)
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if err == nil && string(b[:n]) == want {
			return
		}
	}
	t.Errorf("never %q", want)
}

func TestListening(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, tt := range []struct {
		at            string
		own, loopback bool
	}{
		{"127.0.0.1:0", false, true}, {"0.0.0.0:0", true, false}, {"[::]:0", true, false}, {"[::1]:0", false, false},
		{"127.0.0.2:0", true, false},
	} {
		l, err := net.Listen("tcp", tt.at)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		p, err := net.ListenPacket("udp", tt.at)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for proto, port := range map[string]int{"tcp": l.Addr().(*net.TCPAddr).Port, "udp": p.LocalAddr().(*net.UDPAddr).Port} {
			own, loopback := listening(self, Port{Proto: proto, Container: port})
			if own != tt.own || loopback != tt.loopback {
				t.Errorf("%s %s: %v, %v", tt.at, proto, own, loopback)
			}
		}
	}
}
