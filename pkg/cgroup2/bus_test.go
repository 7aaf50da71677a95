package cgroup2

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestUnixPaths(t *testing.T) {
	for in, want := range map[string][]string{
		"": nil, "unix:path=/run/user/1000/bus": {"/run/user/1000/bus"},
		"unix:guid=5,path=/a;tcp:host=x;unix:path=/b,guid=7": {"/a", "/b"},
		"unix:abstract=/tmp/x":                               nil, "unix:path=relative": nil, "unix:path=/a%20b": nil, "path=/a": nil, ";;unix:;,": nil,
	} {
		if got := unixPaths(in); !slices.Equal(got, want) {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestBus(t *testing.T) {
	dir, err := os.MkdirTemp("", "cg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	in := func(name string) string { return filepath.Join(dir, name) }
	h := Host{Run: in("run"), RuntimeDir: in("user"), BusAddress: "unix:path=" + in("session")}
	system := h
	system.System = true
	socket := func(name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(in(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", in(name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	}
	check := func(h Host, want string) {
		t.Helper()
		got, err := h.bus()
		if want == "" {
			if !errors.Is(err, ErrNoBus) {
				t.Errorf("%q, %v", got, err)
			}
		} else if got != in(want) || err != nil {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	check(h, "")
	check(system, "")
	if _, err := h.bus(); err == nil || !strings.Contains(err.Error(), in("user/systemd/private")) {
		t.Error(err)
	}
	if _, err := (Host{}).bus(); !errors.Is(err, ErrNoBus) || !strings.Contains(err.Error(), "XDG_RUNTIME_DIR") {
		t.Error(err)
	}
	// The least wished first: each that comes takes its place.
	socket("user/bus")
	check(h, "user/bus")
	socket("session")
	check(h, "session")
	put(t, in("user/systemd/private"), "no socket", false)
	check(h, "session")
	if err := os.Remove(in("user/systemd/private")); err != nil {
		t.Fatal(err)
	}
	socket("user/systemd/private")
	check(h, "user/systemd/private")
	check(Host{BusAddress: h.BusAddress}, "session")
	check(system, "")
	socket("run/dbus/system_bus_socket")
	check(system, "run/dbus/system_bus_socket")
	socket("run/systemd/private")
	check(system, "run/systemd/private")
}
