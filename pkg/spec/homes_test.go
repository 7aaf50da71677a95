package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/kernel"
)

func listenAt(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_CLOEXEC, 0) // a short name for a long one
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join("/proc/self/fd", itoa(dir), filepath.Base(path))}); err != nil {
		t.Fatal(err)
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// TestCovers: people's homes and what holds them; never a directory of the system.
func TestCovers(t *testing.T) {
	for passwd, want := range map[string]string{
		"ann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1::/home/bob:/bin/sh":                  "/home /home/ann",
		"ann:x:1000:1000::/home/ann:\nweb:x:33:33::/srv/web:\nold:x:999:1::/srv:":              "/home /home/ann",
		"ann:x:1000:1000::/home/ann:\neve:x:2000:1::/srv/people/eve:":                          "/home /srv/people /home/ann",
		"root:x:0:0::/root:\nann:x:1000:1000::/home/ann:":                                      "/root /home /home/ann",
		"ann:x:1000:1000::/home/ann:\nnobody:x:65534:1::/:\nx:x:2000:1::/usr/sbin:\ny:x:1:1::": "/home /home/ann",
		"ann:x:1000:1000::/home/ann:\nrel:x:2000:1::home/rel:\nlink:x:2001:1::/home/link:":     "/home /home/ann",
		"": "/home/ann",
	} {
		host := fakeHost(t)
		for _, dir := range []string{"root", "srv/people/eve", "srv/web"} {
			if err := os.MkdirAll(filepath.Join(host, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(host, "etc/passwd"), []byte(passwd+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		who := ann()
		who.UID = uint32(os.Geteuid()) // whose directories these are
		b := &builder{wish: Wish{hostRoot: host}, caller: who, paths: handle.Set{}}
		if got := coverPaths(b.findHomes()); got != want {
			t.Errorf("%q: %s, want %s", passwd, got, want)
		}
		b.paths.Close()
	}
	host := fakeHost(t)
	if err := os.WriteFile(filepath.Join(host, "etc/login.defs"), []byte("# UID_MIN 1\nUID_MIN\t\t 500\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if n := (&builder{wish: Wish{hostRoot: host}}).firstPerson(); n != 500 {
		t.Errorf("people begin at %d", n)
	}
}

// table is a mount table that answers always the same.
type table struct {
	views, kernels []string
	whole          bool
	mount          uint64 // 0: that of what it names
	over           []string
	asked          *int
}

func (t table) places(paths []string, host string, whole bool) (places []kernel.Place) {
	*t.asked++
	for _, p := range paths {
		place := kernel.Place{Path: p, Mount: t.mount, Whole: whole}
		if h, err := handle.Open(filepath.Join(host, p)); err == nil && t.mount == 0 {
			place.Mount = h.Mount()
			h.Close()
		}
		places = append(places, place)
	}
	return places
}

type hostTable struct {
	table
	host string
}

func (t hostTable) Views([]kernel.Place, kernel.Place) ([]kernel.Place, []string) {
	return t.places(t.views, t.host, t.whole), t.over
}
func (t hostTable) Kernels() ([]kernel.Place, []string) {
	return t.places(t.kernels, t.host, false), t.over
}
func (t hostTable) Plain() bool                  { return false }
func (t hostTable) Again()                       {}
func (t hostTable) OtherPaths([]string) []string { return nil }
func (t hostTable) Below(string) []kernel.Place  { return nil }
func (t hostTable) Err() error                   { return nil }

// TestElsewhere: what is the kernel's, or a home's, is covered in all of the tree, and before anything is taken out of it.
func TestElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		table
		want, notice, err string
	}{
		"gone":        {table{kernels: []string{"/srv/up/gone"}}, "", "", "/srv/up/gone cannot be hidden from the command: what is mounted there is not found"},
		"other mount": {table{kernels: []string{"/srv/web"}, mount: 1}, "", "", "/srv/web cannot be hidden"},
		"no root":     {table{kernels: []string{"/srv/web"}}, "", "", "/srv/web cannot be hidden"},
		"no home":     {table{views: []string{"/srv/up/h"}, whole: true}, "", "", "/srv/up/h cannot be hidden"},
		"a server":    {table{views: []string{"/srv/web"}, whole: true}, "", "", ""},
		"torn":        {table{over: []string{"/srv/up/proc"}}, "", "", "/srv/up/proc cannot be hidden"},
		"none":        {table{}, "", "", ""},
	} {
		if name == "a server" && os.Geteuid() != 0 {
			continue // only what is root's stays where it is
		}
		host := fakeHost(t)
		for _, dir := range []string{"srv/up/proc/sys", "srv/up/h", "srv/web"} {
			if err := os.MkdirAll(filepath.Join(host, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(host, "srv/up/file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(host, "srv/up"), 0o777); err != nil {
			t.Fatal(err)
		}
		caller, asked := ann(), 0
		c.asked = &asked
		caller.Cwd, caller.Mounts, caller.Paths = "/srv/up", hostTable{c.table, host}, handle.Set{}
		s, notices, err := Wish{Tree: true, hostRoot: host}.Spec(caller, kept())
		if (err == nil) != (c.err == "") || err != nil && (!strings.Contains(err.Error(), c.err) || asked < 10) {
			t.Errorf("%s: %v after %d", name, err, asked)
		}
		if err == nil {
			if len(s.Mounts) == 0 {
				t.Errorf("%s: no mounts", name)
			}
			told := ""
			for _, n := range notices {
				told += n.Code
			}
			if told != c.notice {
				t.Errorf("%s: notices %v", name, notices)
			}
		}
		caller.Paths.Close()
	}
}

func coverPaths(h *homes) string {
	var list []string
	for _, c := range h.covers {
		list = append(list, c.path)
	}
	return strings.Join(list, " ")
}

// TestUnshared: a directory is what it is, whatever the caller calls it.
func TestUnshared(t *testing.T) {
	host := fakeHost(t)
	if err := os.MkdirAll(filepath.Join(host, "srv/state/box"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nowhere", filepath.Join(host, "srv/dangling")); err != nil {
		t.Fatal(err)
	}
	for cwd, want := range map[string]string{
		"/home/ann": "is your home directory", "/home/link": "is your home directory", "/home": "contains your home directory", "/home/bob": "", "/home/ann/src": "",
		"/tmp": "is /tmp", "/tmp/x": "", "/var/tmp": "is /var/tmp", "/run": "is /run", "/var/run": "is /run", "/run/user": "is /run/user", "/run/user/1000": "is /run/user/1000",
		"/srv/state": "holds the state", "/srv": "holds the state", "/srv/state/box": "is a part of the state", "/srv/up": "",
	} {
		c := ann()
		c.Cwd, c.RuntimeDir, c.StateRoot = cwd, "/run/user/1000", "/srv/state"
		s, notices, err := Wish{Tree: true, hostRoot: host}.Spec(c, kept())
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, n := range notices {
			if n.Code == "cwd-not-shared" {
				got = n.Text
			}
		}
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", cwd, got, want)
		}
		real := filepath.Clean(strings.ReplaceAll(strings.ReplaceAll(cwd, "/home/link", "/home/ann"), "/var/run", "/run"))
		shown := false
		for _, m := range s.Mounts {
			shown = shown || m.Type == "bind" && m.Source == real
		}
		if shown != (want == "") {
			t.Errorf("%s: shown %v", cwd, shown)
		}
	}
}

// TestTyped: a link that somebody else can have put there is followed only while it stays where it lies.
func TestTyped(t *testing.T) {
	host := fakeHost(t)
	for _, dir := range []string{"home/ann/src/x/z", "home/ann/src/y"} {
		if err := os.MkdirAll(filepath.Join(host, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"home/ann/src/out": "../../bob", "home/ann/src/in": "x", "home/ann/src/abs": host + "/srv", "home/ann/mine": "../../srv/up", "srv/rooted": "up", "home/ann/src/x/up": "../y", "home/ann/src/x/down": "../x/z"} {
		if err := os.Symlink(target, filepath.Join(host, link)); err != nil {
			t.Fatal(err)
		}
	}
	for typed, ok := range map[string]bool{"./x": true, "./in": true, "./out": false, "out": false, "./abs": false, "/home/ann/src/out": false, "./../src/out": false, "./x/up": true, "../src/x/up": true, "/home/ann/src/in": true, ".": true} {
		b := &builder{wish: Wish{hostRoot: host}, caller: ann(), paths: handle.Set{}}
		if err := b.openWorkdir(); err != nil {
			t.Fatal(err)
		}
		h, err := b.typed(typed)
		if (err == nil) != ok {
			t.Errorf("%s: %v", typed, err)
		}
		if err != nil && !strings.Contains(err.Error(), "behind a link, which a command that ran here before may have put there: if that is meant, write /") {
			t.Errorf("%s: %v", typed, err)
		}
		if h != nil {
			again, _ := b.typed(typed)
			if again != h {
				t.Errorf("%s was opened twice", typed)
			}
		}
		b.paths.Close()
	}
}
