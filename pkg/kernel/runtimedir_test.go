package kernel

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func envOf(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

// as shows what this test's user makes as made by that uid, so that the rules
// for root and for others run as either.
func as(h Host, uid int) Host {
	h.lstat = func(path string, st *unix.Stat_t) error {
		err := unix.Lstat(path, st)
		if err == nil && int(st.Uid) == os.Geteuid() {
			st.Uid = uint32(uid)
		}
		return err
	}
	return h
}

func mkdir(t *testing.T, path string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRuntimeDir(t *testing.T) {
	type row struct {
		name    string
		uid     int
		initial bool
		env     []string // {DIR} is the fake root
		make    []string
		runRO   bool
		want    string // below the fake root
		seen    []string
	}
	const tmp = "sandbox-1000-0a1b2c3d"
	rows := []row{
		{"user with a session", 1000, true, []string{"XDG_RUNTIME_DIR", "{DIR}/xdg"}, []string{"xdg"}, false, "xdg/sandbox", nil},
		{"trailing slash", 1000, true, []string{"XDG_RUNTIME_DIR", "{DIR}/xdg/"}, []string{"xdg"}, false, "xdg/sandbox", nil},
		{"empty is unset", 1000, true, []string{"XDG_RUNTIME_DIR", ""}, []string{"run/user/1000"}, false, "run/user/1000/sandbox", nil},
		{"missing, but /run/user is there", 1000, true, []string{"XDG_RUNTIME_DIR", "{DIR}/xdg"}, []string{"run/user/1000"}, false, "run/user/1000/sandbox", nil},
		{"relative", 1000, true, []string{"XDG_RUNTIME_DIR", "run"}, []string{"run/user/1000"}, false, "run/user/1000/sandbox", nil},
		{"nothing there", 1000, true, nil, nil, false, tmp, []string{"XDG_RUNTIME_DIR is not set", "is missing", "enable-linger 1000"}},
		{"a file", 1000, true, []string{"XDG_RUNTIME_DIR", "{DIR}/proc/self/status"}, nil, false, tmp, []string{"is no directory"}},
		{"root", 0, true, []string{"XDG_RUNTIME_DIR", "{DIR}/xdg"}, []string{"xdg"}, false, "run/sandbox", nil},
		{"root in a namespace", 0, false, []string{"XDG_RUNTIME_DIR", "{DIR}/xdg", "USER", "ann"}, []string{"xdg", "run"}, false, "xdg/sandbox", nil},
		{"root in a namespace, USER=root", 0, false, []string{"XDG_RUNTIME_DIR", "{DIR}/xdg", "USER", "root"}, []string{"xdg", "run"}, false, "run/sandbox", nil},
		{"root in a namespace without a session", 0, false, nil, []string{"run"}, false, "run/sandbox", nil},
		{"root in a namespace, nothing writable", 0, false, nil, nil, true, "sandbox-0-0a1b2c3d", []string{"run is not writable"}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			h := as(fakeHost(t, nil), r.uid)
			dir := h.Tmp
			for _, d := range r.make {
				mkdir(t, filepath.Join(dir, d), 0o700)
			}
			if r.runRO {
				h.access = func(string, uint32) error { return unix.EROFS }
			}
			env := append([]string{}, r.env...)
			for i := range env {
				env[i] = strings.ReplaceAll(env[i], "{DIR}", dir)
			}
			for range 2 { // the second call finds what the first one made
				got, cause, err := h.RuntimeDir(envOf(env...), r.uid, r.initial)
				if err != nil || got != filepath.Join(dir, r.want) {
					t.Fatalf("got %q %v, want %q", got, err, r.want)
				}
				checkNotice(t, cause, r.seen)
			}
			_, err := os.Stat(filepath.Join(dir, r.want))
			if made := err == nil; made != (r.seen != nil) {
				t.Errorf("created: %v", made)
			}
		})
	}
}

func checkNotice(t *testing.T, cause *Cause, seen []string) {
	t.Helper()
	if (cause != nil) != (seen != nil) {
		t.Fatalf("notice: %v", cause)
	}
	for _, s := range seen {
		assertQuiet(t, cause.String())
		if cause.Code != RuntimeFallback || !strings.Contains(cause.String(), s) {
			t.Errorf("%q is not in %s", s, cause)
		}
	}
}

// XDG_RUNTIME_DIR of somebody else, as su leaks it.
func TestRuntimeDirOfAnother(t *testing.T) {
	h := as(fakeHost(t, nil), 0)
	xdg := mkdir(t, filepath.Join(h.Tmp, "xdg"), 0o700)
	dir, err := h.fallbackDir(1000)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h.lstat = func(path string, st *unix.Stat_t) error {
		err := unix.Lstat(path, st)
		st.Uid = pick[uint32](path == dir, 1000, 0)
		return err
	}
	got, cause, err := h.RuntimeDir(envOf("XDG_RUNTIME_DIR", xdg), 1000, true)
	if err != nil || got != dir {
		t.Fatalf("got %q %v", got, err)
	}
	checkNotice(t, cause, []string{"belongs to uid 0"})
}

func TestRuntimeDirSymlink(t *testing.T) {
	h := as(fakeHost(t, nil), 1000)
	mkdir(t, filepath.Join(h.Tmp, "real"), 0o700)
	link := filepath.Join(h.Tmp, "link")
	if err := os.Symlink("real", link); err != nil {
		t.Fatal(err)
	}
	for _, xdg := range []string{link, link + "/", link + "/."} {
		got, cause, err := h.RuntimeDir(envOf("XDG_RUNTIME_DIR", xdg), 1000, true)
		if err != nil || strings.HasPrefix(got, link) {
			t.Fatalf("%s: got %q %v", xdg, got, err)
		}
		checkNotice(t, cause, []string{"is a symlink"})
	}
}

func TestRuntimeDirPremade(t *testing.T) {
	for name, premake := range map[string]func(t *testing.T, dir string){
		"open to others":    func(t *testing.T, dir string) { mkdir(t, dir, 0o755) },
		"open to the group": func(t *testing.T, dir string) { mkdir(t, dir, 0o710) },
		"symlink": func(t *testing.T, dir string) {
			if err := os.Symlink(t.TempDir(), dir); err != nil {
				t.Fatal(err)
			}
		},
		"dangling symlink": func(t *testing.T, dir string) {
			if err := os.Symlink("nowhere", dir); err != nil {
				t.Fatal(err)
			}
		},
		"file": func(t *testing.T, dir string) {
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"fifo": func(t *testing.T, dir string) {
			if err := unix.Mkfifo(dir, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := as(fakeHost(t, nil), 1000)
			premake(t, filepath.Join(h.Tmp, "sandbox-1000-0a1b2c3d"))
			wantForeign(t, h, 1000)
		})
	}
	t.Run("foreign", func(t *testing.T) {
		h := as(fakeHost(t, nil), 0)
		mkdir(t, filepath.Join(h.Tmp, "sandbox-1000-0a1b2c3d"), 0o700)
		wantForeign(t, h, 1000)
	})
}

func wantForeign(t *testing.T, h Host, uid int) {
	t.Helper()
	dir, cause, err := h.RuntimeDir(envOf(), uid, true)
	var r *Refusal
	if !errors.As(err, &r) || r.Cause.Code != RuntimeForeign || !errors.Is(err, fs.ErrPermission) || dir != "" || cause != nil {
		t.Fatalf("got %q %v %v", dir, cause, err)
	}
	assertQuiet(t, r.Cause.String())
	if !strings.Contains(err.Error(), "sandbox-1000-0a1b2c3d") || !strings.Contains(err.Error(), "--root DIR") {
		t.Errorf("got %v", err)
	}
}

func TestRuntimeDirCannotBeMade(t *testing.T) {
	h := as(fakeHost(t, nil), 1000)
	h.Tmp = filepath.Join(h.Tmp, "missing")
	if dir, _, err := h.RuntimeDir(envOf(), 1000, true); !errors.Is(err, fs.ErrNotExist) || dir != "" {
		t.Errorf("got %q %v", dir, err)
	}
	for _, id := range []string{"-", "", "0A1B2C3D-0", "../../..", "0a1b"} {
		h := as(fakeHost(t, files{"proc/sys/kernel/random/boot_id": id}), 1000)
		if dir, _, err := h.RuntimeDir(envOf(), 1000, true); err == nil {
			t.Errorf("boot id %q: got %q", id, dir)
		}
	}
}

func TestOursAlone(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for mode, want := range map[os.FileMode]string{0o700: "", 0o755: "", 0o770: "(mode 0770)", 0o702: "(mode 0702)", 0o777 | os.ModeSticky: "(mode 1777)"} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		err := (Host{}).OursAlone(int(f.Fd()), dir, os.Geteuid())
		var r *Refusal
		if (err == nil) != (want == "") || err != nil && (!errors.As(err, &r) || r.Cause.Code != RuntimeForeign || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: %v, want %q", mode, err, want)
		}
	}
	if err := (Host{}).OursAlone(int(f.Fd()), dir, os.Geteuid()+1); err == nil || !strings.Contains(err.Error(), "belongs to uid") {
		t.Errorf("another's: %v", err)
	}
}
