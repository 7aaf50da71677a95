package netdev

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// ip runs in the network namespace of this thread.
func ip(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// namespaces puts the test's thread into a new network namespace, for good, and
// returns a second one.
func namespaces(t *testing.T) *os.File {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIP-PROBE root: the caller is not root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("SKIP-PROBE exec:ip: ip is not installed")
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	open := func() *os.File {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Skip("SKIP-PROBE netns: ", err)
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	there := open()
	open()
	return there
}

func in(t *testing.T, ns *os.File, do func()) {
	t.Helper()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	for _, step := range []struct {
		f    *os.File
		then func()
	}{{ns, do}, {home, func() {}}} {
		if err := unix.Setns(int(step.f.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Fatal(err)
		}
		step.then()
	}
}

// TestMove moves one end of a veth pair, which has addresses of every kind.
func TestMove(t *testing.T) {
	there := namespaces(t)
	ip(t, "link", "add", "one", "type", "veth", "peer", "name", "two")
	ip(t, "addr", "add", "10.9.8.7/24", "broadcast", "10.9.8.255", "dev", "one")
	ip(t, "addr", "add", "10.9.9.1/32", "scope", "link", "dev", "one")
	ip(t, "addr", "add", "10.9.9.2/24", "valid_lft", "1000", "preferred_lft", "1000", "dev", "one")
	ip(t, "addr", "add", "fd00::7/64", "dev", "one", "nodad")
	ip(t, "link", "set", "one", "mtu", "1400", "up")
	// Its index is taken there.
	in(t, there, func() { ip(t, "link", "add", "x", "type", "veth", "peer", "name", "y") })
	if err := Move("one", "eth7", there); err != nil {
		t.Fatal(err)
	}
	in(t, there, func() {
		got := ip(t, "addr", "show", "dev", "eth7")
		for _, want := range []string{"10.9.8.7/24 brd 10.9.8.255 scope global", "fd00::7/64 scope global", "mtu 1400", ",UP"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
		for _, not := range []string{"10.9.9.1", "10.9.9.2"} {
			if strings.Contains(got, not) {
				t.Errorf("%s came along:\n%s", not, got)
			}
		}
	})
	if out, err := exec.Command("ip", "link", "show", "one").CombinedOutput(); err == nil {
		t.Errorf("it is still here: %s", out)
	}
}

// TestMoveTemplate lets the kernel choose the name.
func TestMoveTemplate(t *testing.T) {
	there := namespaces(t)
	ip(t, "link", "add", "one", "type", "veth", "peer", "name", "two")
	in(t, there, func() { ip(t, "link", "add", "eth0", "type", "veth", "peer", "name", "peer0") })
	if err := Move("one", "eth%d", there); err != nil {
		t.Fatal(err)
	}
	in(t, there, func() {
		if got := ip(t, "link", "show", "eth1"); !strings.Contains(got, ",UP") && !strings.Contains(got, "NO-CARRIER") {
			t.Errorf("got %s", got)
		}
	})
}

// TestMoveRefused leaves the device where and as it was.
func TestMoveRefused(t *testing.T) {
	there := namespaces(t)
	ip(t, "link", "add", "one", "type", "veth", "peer", "name", "two")
	ip(t, "addr", "add", "fd00::7/64", "dev", "one", "nodad")
	ip(t, "addr", "add", "10.9.8.7/24", "dev", "one")
	ip(t, "link", "set", "one", "up")
	in(t, there, func() { ip(t, "link", "add", "taken", "type", "veth", "peer", "name", "other") })
	if err := Move("one", "taken", there); err == nil {
		t.Fatal("no error for a name that is taken")
	}
	got := ip(t, "addr", "show", "dev", "one")
	for _, want := range []string{"fd00::7/64", "10.9.8.7/24", "UP"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if err := Move("nothing", "", there); err == nil {
		t.Error("no error for a device that is not there")
	}
}
