package handle

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func place(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "a/b"), 0o755), os.WriteFile(filepath.Join(dir, "a/f"), nil, 0o600),
		os.Symlink("a", filepath.Join(dir, "inner")), os.Symlink("/etc", filepath.Join(dir, "outer")), os.Symlink("../..", filepath.Join(dir, "a/up"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestStaysTheSame: another directory in the place of an opened one changes nothing.
func TestStaysTheSame(t *testing.T) {
	dir := place(t)
	set := Set{}
	defer set.Close()
	first, err := set.Open(dir + "/a")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(dir+"/a", dir+"/moved"), os.Mkdir(dir+"/a", 0o700)); err != nil {
		t.Fatal(err)
	}
	again, err := set.Open(dir + "/a")
	if err != nil || again != first || first.Now() != dir+"/moved" {
		t.Errorf("opened %v and %v (%v), now at %s", first, again, err, first.Now())
	}
	other, err := Open(dir + "/a")
	if err != nil || other.ID == first.ID {
		t.Errorf("%v is %v: %v", other, first, err)
	}
	other.Close()
	if err := os.RemoveAll(dir + "/moved"); err != nil || first.Now() != "" {
		t.Errorf("removed, and at %q: %v", first.Now(), err)
	}
}

func TestBelow(t *testing.T) {
	dir, err := Open(place(t))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for _, tt := range []struct {
		how  func(string) (*Handle, error)
		name string
		want error
	}{
		{dir.Beneath, "a/b", nil}, {dir.Beneath, "inner/b", unix.ELOOP}, {dir.Beneath, "../x", unix.EXDEV}, {dir.Beneath, "/etc", unix.EXDEV}, {dir.Beneath, "none", unix.ENOENT},
		{dir.Inside, "inner/b", nil}, {dir.Inside, "outer", unix.EXDEV}, {dir.Inside, "a/up", unix.EXDEV}, {dir.Inside, "a/../a", nil},
		{dir.Link, "outer", nil}, {dir.Open, "outer", nil}, {dir.Open, "../..", nil}, {dir.Open, "/etc", nil},
	} {
		h, err := tt.how(tt.name)
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if h != nil {
			h.Close()
		}
	}
	link, err := OpenLink(dir.Path + "/outer")
	if err != nil || link.Kind() != unix.S_IFLNK {
		t.Errorf("the link itself: %+v %v", link, err)
	}
	link.Close()
}

func TestSet(t *testing.T) {
	dir := place(t)
	set := Set{}
	h, err := set.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	set.Show("/in/the/container", h)
	if set.Shown("/in/the/container") != h || set.Shown(dir) != nil || set["/in/the/container"] != nil {
		t.Error("a container's path is taken for one of the host's")
	}
	dup, err := h.Dup()
	if err != nil || dup.ID != h.ID || dup.FD == h.FD {
		t.Fatalf("%+v of %+v: %v", dup, h, err)
	}
	set.Close()
	if len(set) != 0 || dup.Now() != dir {
		t.Error("a duplicate ends with the set")
	}
	dup.Close()
	if _, err := (Set{}).Open(dir + "/none"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("got %v", err)
	}
}

func TestCwd(t *testing.T) {
	dir := place(t)
	t.Chdir(dir + "/a/b")
	t.Setenv("PWD", "/elsewhere")
	h, err := Cwd()
	if err != nil || h.Path != dir+"/a/b" || !h.Cwd {
		t.Fatalf("%+v %v", h, err)
	}
	h.Close()
	if err := os.Remove(dir + "/a/b"); err != nil {
		t.Fatal(err)
	}
	if h, err := Cwd(); !errors.Is(err, unix.ENOENT) {
		t.Errorf("removed: %+v %v", h, err)
	}
}

// TestOpenIn: a path that begins at a directory of the set begins at that very one, whatever has its name by then.
func TestOpenIn(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"bundle/data", "other/data"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	bundle := filepath.Join(dir, "bundle")
	s := Set{}
	defer s.Close()
	if _, err := s.Open(bundle); err != nil {
		t.Fatal(err)
	}
	want, err := Open(filepath.Join(bundle, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	if os.Rename(bundle, filepath.Join(dir, "moved")) != nil || os.Rename(filepath.Join(dir, "other"), bundle) != nil {
		t.Fatal("cannot be renamed")
	}
	for range 2 {
		if h, err := s.OpenIn(bundle, "data"); err != nil || h.ID != want.ID || h.Path != filepath.Join(bundle, "data") {
			t.Errorf("%+v, %v", h, err)
		}
	}
	if h, err := s.OpenIn(bundle, dir); err != nil || h.Path != dir {
		t.Errorf("an absolute path: %+v, %v", h, err)
	}
}
