package resctrl

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const full = "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n"

// host is a directory in which mkdir(2) does what the kernel does in its own.
func host(t *testing.T) Host {
	t.Helper()
	h := Host{Root: t.TempDir()}
	fill := func(dir string, names ...string) {
		for _, name := range names {
			text := ""
			if name == "schemata" {
				text = full
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.Mkdir = func(path string) error {
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		if filepath.Base(filepath.Dir(path)) == "mon_groups" {
			fill(path, "tasks")
			return nil
		}
		fill(path, "schemata", "tasks")
		return os.Mkdir(filepath.Join(path, "mon_groups"), 0o700)
	}
	fill(h.Root, "schemata", "tasks")
	for _, dir := range []string{"mon_groups", "info"} {
		if err := os.Mkdir(filepath.Join(h.Root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func file(t *testing.T, h Host, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(h.Root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func made(t *testing.T, h Host, id string, r specs.LinuxIntelRdt) *Share {
	t.Helper()
	s, err := h.Plan(id, &r)
	if err == nil {
		err = h.Make(s)
	}
	if err == nil {
		err = h.Join(s, 42)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOwnGroup(t *testing.T) {
	h := host(t)
	s := made(t, h, "one", specs.LinuxIntelRdt{
		L3CacheSchema: "L3:0=7f0;1=1f", MemBwSchema: "MB:0=20;1=70", Schemata: []string{"L3:0=00f;1=00f"}, EnableMonitoring: true,
	})
	if got := file(t, h, "one/schemata"); !strings.HasPrefix(got, "L3:0=00f;1=00f\n") {
		t.Errorf("the last line did not win: %q", got)
	}
	for _, name := range []string{"one/tasks", "one/mon_groups/one/tasks"} {
		if got := file(t, h, name); got != "42\n" {
			t.Errorf("%s is %q", name, got)
		}
	}
	if got := strings.Join(s.Own(), " "); got != "one/mon_groups/one one" {
		t.Errorf("with the container end %q", got)
	}
}

func TestSharedGroup(t *testing.T) {
	h := host(t)
	first := made(t, h, "one", specs.LinuxIntelRdt{ClosID: "gold", Schemata: []string{"L3:0=7f0;1=01f"}})
	second := made(t, h, "two", specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:1=1f", EnableMonitoring: true})
	if len(first.Own()) != 0 || strings.Join(second.Own(), " ") != "gold/mon_groups/two" {
		t.Errorf("with the containers end %q and %q", first.Own(), second.Own())
	}
	third := made(t, h, "three", specs.LinuxIntelRdt{ClosID: "/"})
	if file(t, h, "tasks") != "42\n" || third.Group != "." || len(third.Own()) != 0 {
		t.Errorf("/ is not the root: %+v", third)
	}
}

func TestRefused(t *testing.T) {
	h := host(t)
	made(t, h, "there", specs.LinuxIntelRdt{})
	for want, r := range map[string]specs.LinuxIntelRdt{
		"linux.intelRdt: " + h.Root + "/there exists already":            {},
		"linux.intelRdt.closID: there is no " + h.Root + "/gold":         {ClosID: "gold"},
		"linux.intelRdt.closID: " + h.Root + "/info is no control group": {ClosID: "info"},
		`L3 is "L3:0=7ff;1=7ff" there, not "L3:0=f"`:                     {ClosID: "there", L3CacheSchema: "L3:0=f"},
		`there is no MBX there, asked for is "MBX:0=1"`:                  {ClosID: "/", MemBwSchema: "MBX:0=1"},
		"linux.intelRdt.enableMonitoring: " + h.Root + "/mon_groups/th":  {ClosID: "/", EnableMonitoring: true},
	} {
		if err := os.MkdirAll(filepath.Join(h.Root, "mon_groups/there"), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Plan("there", &r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", r, err, want)
		}
	}
	if _, err := (Host{Root: t.TempDir()}).Plan("x", &specs.LinuxIntelRdt{}); !errors.Is(err, ErrNone) {
		t.Errorf("without the file system: %v", err)
	}
}

// TestFailedMake: nothing stays, and the kernel's own words are passed on.
func TestFailedMake(t *testing.T) {
	h := host(t)
	if err := os.WriteFile(filepath.Join(h.Root, "info/last_cmd_status"), []byte("out of RMIDs\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Mkdir = func(path string) error {
		if strings.Contains(path, "mon_groups") {
			return &os.PathError{Op: "mkdir", Path: path, Err: unix.ENOSPC}
		}
		return os.Mkdir(path, 0o700)
	}
	s, err := h.Plan("one", &specs.LinuxIntelRdt{EnableMonitoring: true})
	if err != nil {
		t.Fatal(err)
	}
	err = h.Make(s)
	if !errors.Is(err, unix.ENOSPC) || !strings.HasSuffix(err.Error(), "out of RMIDs") {
		t.Errorf("got %v", err)
	}
	if h.there("one") {
		t.Error("the control group is still there")
	}
}

// TestRemoveStaysInside: the list comes from a file.
func TestRemoveStaysInside(t *testing.T) {
	dir := t.TempDir()
	h := Host{Root: filepath.Join(dir, "root")}
	for _, name := range []string{"root", "outside"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h.Remove([]string{"../outside", ".", "", filepath.Join(dir, "outside")})
	for _, name := range []string{"root", "outside"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
