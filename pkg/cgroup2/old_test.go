package cgroup2

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// TestStaleSocket: a systemd that has ended leaves its file, and another may listen.
func TestStaleSocket(t *testing.T) {
	l, stale := listen(t, "systemd/private")
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if !heard(stale) {
		t.Error("nobody is heard at a socket that is listened at")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	h := fakeHost(t, nil)
	h.RuntimeDir = filepath.Dir(filepath.Dir(stale))
	if _, err := h.bus(); err == nil || !strings.Contains(err.Error(), "nobody listens at "+stale) {
		t.Errorf("got %v", err)
	}
	bus, err := net.Listen("unix", filepath.Join(h.RuntimeDir, "bus"))
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	if path, err := h.bus(); err != nil || filepath.Base(path) != "bus" {
		t.Errorf("got %q, %v", path, err)
	}
}

// TestOldSystemd: one that does not know a limit's property starts the scope without.
func TestOldSystemd(t *testing.T) {
	var asked []string
	h, f := scopeHost(t, func(k *call) {
		if k.method != "StartTransientUnit" {
			k.refuse("org.freedesktop.DBus.Error.PropertyReadOnly", "Cannot set property CPUQuotaPeriodUSec, or unknown property.")
			return
		}
		asked = append(asked, fmt.Sprint(k.body...))
		if strings.Contains(asked[len(asked)-1], "CPUQuotaPeriodUSec") {
			k.refuse("org.freedesktop.DBus.Error.PropertyReadOnly", "Cannot set property CPUQuotaPeriodUSec, or unknown property.")
			return
		}
		k.started("done")
	})
	h.inScope(t, "sandbox-web.scope")
	writes := []Write{{File: "cpu.max", Value: "5000 100000"}}
	p, err := ask(t, h, Want{ID: "web", Writes: writes})
	if err != nil || p.Unit != "sandbox-web.scope" || len(asked) != 2 {
		t.Errorf("%+v, %v, asked %d times: %s", p, err, len(asked), f.seen())
	}
	if err := p.Update(h, writes); err != nil {
		t.Error(err)
	}
}

// TestCpusetHolds: the kernel takes processors that are not there, and gives all instead.
func TestCpusetHolds(t *testing.T) {
	for value, want := range map[string]string{"5": "linux.resources.cpu.cpus: of 5 there is nothing here, only 0-1", "1-3": "", "0": ""} {
		g := group(t, map[string]string{"cpuset.cpus": "", "cpuset.cpus.effective": "0-1\n"})
		err := g.Apply([]Write{{File: "cpuset.cpus", Value: value, Field: "linux.resources.cpu.cpus"}})
		if got := fmt.Sprint(err); got != want && (want != "" || err != nil) {
			t.Errorf("%s: got %v, want %q", value, err, want)
		}
	}
	for text, want := range map[string]uint64{"1g": 1 << 30, "5M": 5 << 20, "7": 7, "2k": 2048} {
		if n, ok := amount(text); !ok || n != want {
			t.Errorf("%s: %d, %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "g", "1gg", "x", "-1", "99999999999999999999", "9999999999e"} {
		if n, ok := amount(text); ok {
			t.Errorf("%q is %d", text, n)
		}
	}
}
