package cgroup2

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeHost is a host with these files below its mount and its proc ("cgroup/..."
// and "proc/..."); a name that ends in "/" is a directory.
func fakeHost(t testing.TB, files map[string]string) Host {
	t.Helper()
	dir := t.TempDir()
	h := Host{Mount: filepath.Join(dir, "cgroup"), Proc: filepath.Join(dir, "proc"), Run: filepath.Join(dir, "run")}
	for _, d := range []string{h.Mount, h.Proc, h.Run} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		put(t, filepath.Join(dir, name), text, strings.HasSuffix(name, "/"))
	}
	return h
}

func put(t testing.TB, name, text string, isDir bool) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if isDir {
		err = os.MkdirAll(name, 0o755)
	} else if err == nil {
		err = os.WriteFile(name, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestScopeName(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		w           Want
		system      bool
		slice, unit string // unit "" is an error with slice in it
	}{
		{Want{ID: "web"}, false, "user.slice", "sandbox-web.scope"},
		{Want{ID: "web"}, true, "system.slice", "sandbox-web.scope"},
		{Want{ID: "web", Parent: "my-own.slice"}, true, "my-own.slice", "sandbox-web.scope"},
		{Want{ID: "x", Path: "machine.slice:libpod:abc"}, false, "machine.slice", "libpod-abc.scope"},
		{Want{ID: "x", Path: ":libpod:abc"}, false, "user.slice", "libpod-abc.scope"},
		{Want{ID: "x", Path: "::abc", Parent: "p.slice"}, false, "p.slice", "abc.scope"},
		{Want{ID: "x", Path: "::abc.scope"}, true, "system.slice", "abc.scope"},
		{Want{ID: systemdEscape("a+b")}, true, "system.slice", `sandbox-a\x2bb.scope`},
		{Want{Path: "a:b"}, false, "want SLICE:PREFIX:NAME", ""},
		{Want{Path: "a:b:c:d"}, false, "want SLICE:PREFIX:NAME", ""},
		{Want{Path: "/docker/abc"}, false, "want SLICE:PREFIX:NAME", ""},
		{Want{Path: "a.slice:b:"}, false, "behind the second colon is missing", ""},
		{Want{Path: "::b.slice"}, false, "want the name of a scope", ""},
		{Want{Path: "a:b:c"}, false, "want the name of a slice", ""},
		{Want{Path: "../x.slice:b:c"}, false, "want the name of a slice", ""},
		{Want{Path: ".slice:b:c"}, false, "want the name of a slice", ""},
		{Want{Path: "a\x00.slice:b:c"}, false, "want the name of a slice", ""},
		{Want{Path: "a%.slice:b:c"}, false, "want the name of a slice", ""},
		{Want{ID: "x", Parent: "/path"}, false, "want the name of a slice", ""},
		{Want{Path: ":b:../c"}, false, "is no name for a unit", ""},
		{Want{Path: ":b:c\x00"}, false, "is no name for a unit", ""},
		{Want{Path: ":b:c%d"}, false, "is no name for a unit", ""},
		{Want{Path: ":b@:c"}, false, "is no name for a unit", ""},
		{Want{Path: ":: c"}, false, "is no name for a unit", ""},
		{Want{Path: "::.c"}, false, "is no name for a unit", ""},
		{Want{ID: long}, false, "at most 255", ""},
		{Want{ID: "x", Parent: long + ".slice"}, false, "want the name of a slice", ""},
	} {
		slice, unit, err := scopeName(c.w, c.system)
		switch {
		case c.unit == "" && (err == nil || !strings.Contains(err.Error(), c.slice) || strings.ContainsAny(err.Error(), "\x00\n")):
			t.Errorf("%+v: %v, want %q", c.w, err, c.slice)
		case c.unit != "" && (err != nil || slice != c.slice || unit != c.unit):
			t.Errorf("%+v: %q %q %v", c.w, slice, unit, err)
		}
	}
	if validUnit("") {
		t.Error(`"" is a unit`)
	}
}

func TestDirectory(t *testing.T) {
	h := fakeHost(t, map[string]string{"proc/self/cgroup": "0::/a/own\n", "cgroup/a/cgroup.procs": "", "cgroup/a/cgroup.subtree_control": "", "cgroup/a/own/": ""})
	for _, c := range []struct{ id, path, parent, want string }{
		{"web", "", "", "/a/web"},
		{"web", "", "/p", "/p/web"},
		{"web", "", "p/q", "/p/q/web"},
		{"web", "", "../p", "/p/web"},
		{"web", "x/y", "", "/a/x/y"},
		{"web", "x/y", "/p", "/p/x/y"},
		{"web", "../../x", "", "/a/x"},
		{"web", "../../x", "/p/q", "/p/q/x"},
		{"web", "/docker/web", "/p", "/docker/web"},
		{"web", "/a/../../x//y/", "", "/x/y"},
		{"web", "a:b:c", "", "/a/a:b:c"},
		{"web", "50%", "", "/a/50%"},
		{"web", "..", "", ""},
		{"web", ".", "", ""},
		{"web", "..", "/p", ""},
		{"web", "/", "", ""},
		{"web", "/..", "", ""},
		{"web", "/x\x00y", "", ""},
		{"web", "x\ny", "", ""},
		{"web", "x", "/p\x00", ""},
	} {
		got, err := h.directory(Want{ID: c.id, Path: c.path, Parent: c.parent})
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q in %q: %q, %v, want %q", c.path, c.parent, got, err, c.want)
		}
		if err != nil && (!strings.Contains(err.Error(), "is no name for a cgroup") || strings.ContainsAny(err.Error(), "\x00\n")) {
			t.Errorf("%q in %q: %v", c.path, c.parent, err)
		}
	}
}

func TestBase(t *testing.T) {
	files := func(dirs ...string) map[string]string {
		m := map[string]string{"cgroup/a/b/": ""}
		for _, d := range dirs {
			m["cgroup"+d+"/cgroup.procs"], m["cgroup"+d+"/cgroup.subtree_control"] = "", ""
		}
		return m
	}
	for name, c := range map[string]struct {
		own   string // the process's line
		files map[string]string
		want  string
		err   error
	}{
		"beside":        {"0::/a/b\n", files("/a", "/a/b"), "/a", nil},
		"below":         {"0::/a/b\n", files("/a/b"), "/a/b", nil},
		"the root":      {"0::/\n", files(""), "/", nil},
		"hybrid":        {"12:pids:/x\n1:name=systemd:/y\n0::/a/b\n", files("/a"), "/a", nil},
		"not ours":      {"0::/a/b\n", files(), "", ErrNotOurs},
		"version 1":     {"12:pids:/x\n", files("/a"), "", ErrNoV2},
		"outside":       {"0::/../../x\n", files(""), "", ErrOutside},
		"just outside":  {"0::/..\n", files(""), "", ErrOutside},
		"dots and more": {"0::/..a/b\n", map[string]string{"cgroup/..a/cgroup.procs": "", "cgroup/..a/cgroup.subtree_control": ""}, "/..a", nil},
		"no such":       {"", files("/a"), "", ErrNoV2},
	} {
		c.files["proc/self/cgroup"] = c.own
		h := fakeHost(t, c.files)
		if got, err := h.base(); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := fakeHost(t, nil).base(); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
}

func TestBelow(t *testing.T) {
	h := fakeHost(t, map[string]string{"proc/1/cgroup": "0::/c/below\n"})
	if got, err := h.Of(1); got != "/c/below" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if _, err := h.Of(4); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
	p := Placement{Path: "/c"}
	for sub, want := range map[string]string{"": "/c", "/": "/c", "x": "/c/x", "/x/y": "/c/x/y", "x/../y": "/c/y"} {
		if got, err := p.Below(sub); got != want || err != nil {
			t.Errorf("%q: %q %v", sub, got, err)
		}
	}
	for _, bad := range []string{"..", "../c2", "x/../..", "../../x"} {
		if got, err := p.Below(bad); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

func TestFrozenBelow(t *testing.T) {
	h := fakeHost(t, map[string]string{"cgroup/c/cgroup.freeze": "1\n", "cgroup/c/f/cgroup.freeze": "1\n", "cgroup/c/f/x/cgroup.freeze": "0\n", "cgroup/c/y/cgroup.freeze": "0\n"})
	for path, want := range map[string]bool{"/c": false, "/c/f": true, "/c/f/x": true, "/c/y": false, "/c/none": false} {
		if h.Group(path).FrozenBelow("/c") != want {
			t.Error(path)
		}
	}
}
