package cgroup2

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestScopeName(t *testing.T) {
	for _, c := range []struct {
		want        Want
		system      bool
		slice, unit string // or an error in unit, with no slice
	}{
		{Want{ID: "web"}, false, "user.slice", "sandbox-web.scope"},
		{Want{ID: "web"}, true, "system.slice", "sandbox-web.scope"},
		{Want{ID: "web", Parent: "x.slice"}, true, "x.slice", "sandbox-web.scope"},
		{Want{ID: "i", Path: "user.slice:libpod:abc"}, false, "user.slice", "libpod-abc.scope"},
		{Want{ID: "i", Path: "a-b.slice::abc"}, false, "a-b.slice", "abc.scope"},
		{Want{ID: "i", Path: ":libpod:abc.scope"}, false, "user.slice", "libpod-abc.scope"},
		{Want{ID: systemdEscape("a+b")}, false, "user.slice", `sandbox-a\x2bb.scope`},

		{Want{Path: "a:b"}, false, "", "want SLICE:PREFIX:NAME"},
		{Want{Path: "/a"}, false, "", "want SLICE:PREFIX:NAME"},
		{Want{Path: "a.slice:b:"}, false, "", "the name behind the second colon is missing"},
		{Want{Path: "a:b:c"}, false, "", `cgroup parent "a": want the name of a slice`},
		{Want{Path: "../a.slice:b:c"}, false, "", "want the name of a slice"},
		{Want{Path: "a.slice:b:c/d"}, false, "", "is no name for a unit"},
		{Want{Path: "a.slice:b:c@d"}, false, "", "is no name for a unit"},
		{Want{Path: "a.slice:b:c%i"}, false, "", "is no name for a unit"},
		{Want{Path: "a.slice:b:c\x00"}, false, "", "is no name for a unit"},
		{Want{Path: "a.slice:b:c.slice"}, false, "", "a slice holds no process"},
		{Want{ID: strings.Repeat("x", 300)}, false, "", "is no name for a unit"},
	} {
		slice, unit, err := scopeName(c.want, c.system)
		switch {
		case c.slice == "":
			if err == nil || !strings.Contains(err.Error(), c.unit) {
				t.Errorf("%+v: %s %s %v, want the error %q", c.want, slice, unit, err, c.unit)
			}
		case err != nil || slice != c.slice || unit != c.unit:
			t.Errorf("%+v: %s %s %v", c.want, slice, unit, err)
		}
	}
}

// tree is a hierarchy of plain directories.
func tree(t *testing.T, own string, groups ...string) Host {
	t.Helper()
	h := Host{Mount: t.TempDir(), Proc: t.TempDir(), Run: t.TempDir()}
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(h.Proc, "self/cgroup"), own)
	for _, g := range groups {
		for _, file := range []string{"cgroup.procs", "cgroup.subtree_control", "cgroup.controllers"} {
			write(filepath.Join(h.Mount, g, file), "")
		}
	}
	return h
}

func TestDirectory(t *testing.T) {
	h := tree(t, "0::/a/b\n", "a", "a/b")
	for _, c := range []struct {
		want Want
		path string
	}{
		{Want{ID: "x"}, "/a/sandbox-x"},
		{Want{ID: "x", Path: "/docker/x"}, "/docker/x"},
		{Want{ID: "x", Path: "/docker/../../x"}, "/x"},
		{Want{ID: "x", Path: "rel/x"}, "/a/rel/x"},
		{Want{ID: "x", Path: "../../../x"}, "/a/x"},
		{Want{ID: "x", Parent: "/p"}, "/p/sandbox-x"},
		{Want{ID: "x", Parent: "../p"}, "/p/sandbox-x"},
	} {
		if got, err := h.directory(c.want); err != nil || got != c.path {
			t.Errorf("%+v: %s, %v", c.want, got, err)
		}
	}
	for _, path := range []string{"/", "/..", "/a\nb", "/a\x00"} {
		if got, err := h.directory(Want{Path: path}); err == nil {
			t.Errorf("%q: no error, %s", path, got)
		}
	}
}

func TestBase(t *testing.T) {
	for own, want := range map[string]error{
		"0::/../outside\n":      ErrOutside,
		"1:cpu:/x\n":            ErrNoV2,
		"0::/nothing/of/ours\n": ErrNotOurs,
	} {
		if _, err := tree(t, own).base(); !errors.Is(err, want) {
			t.Errorf("%q: %v", own, err)
		}
	}
	// alone at the top of a namespace there is nothing beside
	if got, err := tree(t, "0::/\n", ".").base(); got != "/" || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	// only our own is ours
	if got, err := tree(t, "0::/a/b\n", "a/b").base(); got != "/a/b" || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		what string
		own  string
		want Want
		why  error // "" moves
		err  error
	}{
		{"nothing is ours", "0::/x\n", Want{ID: "i"}, ErrNotOurs, nil},
		{"and it was asked for", "0::/x\n", Want{ID: "i", Manager: Cgroupfs}, nil, ErrNotOurs},
		{"no systemd", "0::/x\n", Want{ID: "i", Manager: Systemd}, nil, ErrNoBus},
		{"a slice, and no systemd", "0::/a/b\n", Want{ID: "i", Path: "a.slice:b:c"}, ErrNoBus, nil},
		{"disabled", "0::/a/b\n", Want{ID: "i", Manager: Disabled}, ErrDisabled, nil},
		{"a directory", "0::/a/b\n", Want{ID: "i"}, nil, nil},
	} {
		r, err := tree(t, c.own, "a", "a/b").Plan(c.want)
		if !errors.Is(err, c.err) || c.err == nil && (err != nil || !errors.Is(r.Why(), c.why) || r.Moves() != (c.why == nil)) {
			t.Errorf("%s: %v, %+v", c.what, err, r)
		}
	}
	if _, err := (Host{}).Plan(Want{Manager: "docker"}); err == nil {
		t.Error("an unknown manager")
	}
}

// TestMakeDirectory: what is made is undone, topmost last, and what was there stays.
func TestMakeDirectory(t *testing.T) {
	h := tree(t, "0::/a\n", "a")
	made, err := h.makeDirectory("/a/x/y/z")
	if err != nil || len(made) != 3 {
		t.Fatalf("%v, %v", made, err)
	}
	made.undo()
	if _, err := os.Stat(filepath.Join(h.Mount, "a")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(h.Mount, "a/x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
	if err := os.WriteFile(filepath.Join(h.Mount, "a/cgroup.procs"), []byte("1\n23\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := h.makeDirectory("/a"); err == nil || !strings.Contains(err.Error(), "cgroup /a has processes already, such as 1") {
		t.Errorf("a group with processes: %v", err)
	}
}

func TestBus(t *testing.T) {
	dir, err := os.MkdirTemp("", "bus") // a socket's name is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	listen := func(path string) string {
		path = filepath.Join(dir, path)
		_ = os.MkdirAll(filepath.Dir(path), 0o755)
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return path
	}
	if _, err := (Host{}).bus(); !errors.Is(err, ErrNoBus) {
		t.Errorf("no environment: %v", err)
	}
	h := Host{RuntimeDir: dir, BusAddress: "unix:path=" + dir + "/other,guid=1"}
	if _, err := h.bus(); !errors.Is(err, ErrNoBus) || !strings.Contains(err.Error(), dir+"/systemd/private, "+dir+"/other, "+dir+"/bus") {
		t.Errorf("nobody listens: %v", err)
	}
	for _, path := range []string{"bus", "other", "systemd/private"} { // each is preferred to those before
		want := listen(path)
		if got, err := h.bus(); got != want || err != nil {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	if got := unixPaths("tcp:host=x;unix:abstract=/y;unix:guid=1,path=/a;unix:path=/b%20c;unix:path=rel"); len(got) != 1 || got[0] != "/a" {
		t.Errorf("got %q", got)
	}
}

func TestProperties(t *testing.T) {
	for _, c := range []struct{ file, value, want string }{
		{"memory.max", "1000", "MemoryMax=@t 1000"},
		{"memory.max", "max", "MemoryMax=@t 18446744073709551615"},
		{"memory.swap.max", "0", "MemorySwapMax=@t 0"},
		{"memory.low", "5", "MemoryLow=@t 5"},
		{"pids.max", "32", "TasksMax=@t 32"},
		{"cpu.weight", "100", "CPUWeight=@t 100"},
		{"io.weight", "default 200", "IOWeight=@t 200"},
		{"cpu.max", "50000 100000", "CPUQuotaPeriodUSec=@t 100000 CPUQuotaPerSecUSec=@t 500000"},
		{"cpu.max", "1 3", "CPUQuotaPeriodUSec=@t 3 CPUQuotaPerSecUSec=@t 340000"},
		{"cpu.max", "max 20000", "CPUQuotaPeriodUSec=@t 20000 CPUQuotaPerSecUSec=@t 18446744073709551615"},
		{"cpuset.cpus", "0-1,8", "AllowedCPUs=@ay [0x3, 0x1]"},
		{"cpuset.mems", "0", "AllowedMemoryNodes=@ay [0x1]"},
		{"cpuset.cpus", "5-2", ""},
		{"cpuset.cpus", "0-99999999", ""},
		{"memory.high", "nonsense", ""},
		{"hugetlb.2MB.max", "5", ""},
	} {
		var got []string
		for _, p := range Properties([]Write{{File: c.file, Value: c.value}}) {
			got = append(got, p.Name+"="+p.Value.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s %s: got %s", c.file, c.value, strings.Join(got, " "))
		}
	}
}

func TestAnnotations(t *testing.T) {
	for key, want := range map[string]string{
		"CPUWeight=uint64 33":      "CPUWeight=@t 33",
		"Description='a b'":        `Description="a b"`,
		"TimeoutStopSec=uint64 7":  "TimeoutStopUSec=@t 7000000",
		"TimeoutStopSec=1.5":       "TimeoutStopUSec=@t 1500000",
		"TimeoutStopUSec=uint64 7": "TimeoutStopUSec=@t 7",
		"After=['a.service']":      `After=["a.service"]`,
		"TimeoutStopSec=-1":        "out of range",
		"TimeoutStopSec='x'":       "want a number of seconds",
		"CPUWeight=uint64":         "is no value in GVariant's text form",
		"PIDs=[uint32 1]":          "cannot be changed",
		"Delegate=false":           "cannot be changed",
		"lower=1":                  "no name of a property",
		"A=1":                      "no name of a property",
		"A_B=1":                    "no name of a property",
		"MemoryMax=uint64 99999999999999999999999": "is no value",
	} {
		name, text, _ := strings.Cut(key, "=")
		got, err := annotated(map[string]string{annotationPrefix + name: text, "org.example": "x"})
		switch {
		case err != nil && !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v, want %s", key, err, want)
		case err == nil && (len(got) != 1 || got[0].Name+"="+got[0].Value.String() != want):
			t.Errorf("%s: got %v, want %s", key, got, want)
		}
	}
}

func FuzzAnnotation(f *testing.F) {
	f.Add("CPUWeight", "uint64 1")
	f.Add("TimeoutStopSec", "1e300")
	f.Add("After", "[('a', @t 1)]")
	f.Fuzz(func(t *testing.T, name, text string) {
		if p, err := propertyFrom(name, text); err == nil && !validProperty(p.Name) {
			t.Errorf("%q came through", p.Name)
		}
		_, _, _ = scopeName(Want{ID: name, Path: text}, false)
	})
}
