package worktree

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// evil makes a repository that runs something.
func evil(t *testing.T, dir string) {
	t.Helper()
	err := errors.Join(os.MkdirAll(filepath.Join(dir, "objects"), 0o755), os.MkdirAll(filepath.Join(dir, "refs"), 0o755),
		os.WriteFile(filepath.Join(dir, "HEAD"), []byte("ref: refs/heads/m\n"), 0o644), os.WriteFile(filepath.Join(dir, "config"), []byte("[core]\n\tfsmonitor = x\n"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
}

// TestDeep: the walk comes back from where it holds no descriptors any more, and leaves directories as it found them.
func TestDeep(t *testing.T) {
	dir := shared(t, "x")
	g := Find(dir, Ask{})
	defer g.Close()
	g.Pass()
	at, err := dir.Dup()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * mostHeld {
		closed := func(name string) { // until the test has ended
			t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir.Path, strings.Repeat("d/", i), name), 0o700) })
		}
		for _, name := range []string{"a", "b", "d"} {
			mode := uint32(0o755)
			if name != "d" && i == 2*mostHeld {
				mode = 0o100
				closed(name)
			}
			if err := unix.Mkdirat(at.FD, name, mode); err != nil {
				t.Fatal(err)
			}
		}
		next, err := at.Beneath("d")
		if err != nil {
			t.Fatal(err)
		}
		if i%mostHeld == mostHeld/2 {
			evil(t, filepath.Join(at.Name(), "a/.git"))
			if err := os.Chmod(filepath.Join(at.Name(), "a"), 0o300); err != nil {
				t.Fatal(err)
			}
			closed("a")
		}
		at.Close()
		at = next
	}
	at.Close()
	told := g.checkNested(nil)
	if n := strings.Count(strings.Join(told, "\n"), "/.git was not there before"); n != 3 || strings.Contains(strings.Join(told, "\n"), "not all of") {
		t.Errorf("%d were found: %q", n, told)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir.Path, strings.Repeat("d/", mostHeld/2), "a"), &st); err != nil || st.Mode&0o7777 != 0o300 {
		t.Errorf("mode %o, %v", st.Mode, err)
	}
}

// TestDoubt: what was not looked at is, by the next one who looks at all, as if it were new; and then no more.
func TestDoubt(t *testing.T) {
	dir := shared(t, "a/b/ z/")
	memory := filepath.Join(t.TempDir(), "state/not-looked-at")
	run := func(most int, top string, write func(path string)) string {
		t.Helper()
		h, err := handle.Open(filepath.Join(dir.Path, top))
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		g := Find(h, Ask{Memory: memory})
		defer g.Close()
		g.Pass()
		if write != nil {
			write(h.Path)
		}
		return strings.Join(g.walk(most, nil), "\n")
	}
	first := run(2, ".", func(path string) {
		for i := range 3 {
			evil(t, filepath.Join(path, fmt.Sprintf("a/b/%d/.git", i)))
		}
	})
	if !strings.Contains(first, "not all of") || strings.Contains(first, "nor will") {
		t.Fatalf("told %q", first)
	}
	if again := run(2, ".", nil); !strings.Contains(again, "not all of") {
		t.Errorf("the second time: %q", again)
	}
	// below, where it was there at the start
	if part := run(100, "a/b/1", nil); !strings.Contains(part, ".git was changed") {
		t.Errorf("below: %q", part)
	}
	if all := run(100, ".", nil); strings.Count(all, ".git was changed") != 2 {
		t.Errorf("all: %q", all)
	}
	if data, err := os.ReadFile(memory); err != nil || len(data) > 0 {
		t.Errorf("there is still %q, %v", data, err)
	}
	evil(t, filepath.Join(dir.Path, "z/.git"))
	if quiet := run(100, ".", nil); quiet != "" {
		t.Errorf("told %q of what its owner made", quiet)
	}
	// where the command could have written it, it counts for nothing
	memory = filepath.Join(dir.Path, "not-looked-at")
	if told := run(1, ".", nil); !strings.Contains(told, "nor will the next look begin here") {
		t.Errorf("told %q", told)
	}
}
