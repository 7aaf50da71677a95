package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"sandbox/pkg/state"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestClaimStays: a directory that cannot be removed is one error, and not tried for ever.
func TestClaimStays(t *testing.T) {
	r := newRuntime(t)
	if r.Caller.UID == 0 {
		t.Skip("SKIP-PROBE user: root can remove everything")
	}
	told := 0
	r.Warn = func(string) { told++ }
	deep := filepath.Join(r.Root.Path, "web", state.NetworkDir, "deep")
	must(t, os.MkdirAll(filepath.Join(deep, "er"), 0o700))
	must(t, os.Chmod(deep, 0))
	defer os.Chmod(deep, 0o700)
	if _, err := r.Root.Claim("web", r.evict); err == nil || told > 1 {
		t.Errorf("error %v, told %d times", err, told)
	}
}

// TestSweepAndClaim: who sweeps takes the lock of what has none yet, and must not keep a start from its own directory.
func TestSweepAndClaim(t *testing.T) {
	r := newRuntime(t)
	stop := make(chan struct{})
	var sweepers sync.WaitGroup
	for range 2 {
		sweepers.Go(func() {
			s, err := New(r.Root.Path)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err == nil {
					s.Sweep()
				}
			}
		})
	}
	for i := range 500 {
		d, err := r.Root.Claim(fmt.Sprint("c", i%7), r.evict)
		if err != nil {
			t.Errorf("claim %d: %v", i, err)
			break
		}
		if i%2 == 0 {
			must(t, d.Remove())
		} else {
			d.Close() // as one that was killed
		}
	}
	close(stop)
	sweepers.Wait()
	r.Sweep()
	if names, _ := os.ReadDir(r.Root.Path); len(names) != 0 {
		t.Errorf("left %v", names)
	}
}

// TestSweepLeaves what is not ours to remove.
func TestSweepLeaves(t *testing.T) {
	r := newRuntime(t)
	at := func(name string) string { return filepath.Join(r.Root.Path, name) }
	must(t, os.Mkdir(at("unmarked"), 0o700))
	must(t, unix.Mkdir(at("work"), state.Marked))
	must(t, os.WriteFile(at("work/file"), nil, 0o600))
	must(t, unix.Mkdir(at("busy"), state.Marked))
	busy, err := r.Root.Hold("busy")
	must(t, err)
	defer busy.Close()
	must(t, unix.Mkdir(at("open"), state.Marked))
	must(t, os.Chmod(at("open"), 0o777|os.ModeSticky))
	must(t, unix.Mkdir(at("left"), state.Marked))
	other, err := New(r.Root.Path)
	must(t, err)
	other.Sweep()
	if _, err := other.List(); err != nil {
		t.Error(err)
	}
	var have []string
	entries, _ := os.ReadDir(r.Root.Path)
	for _, e := range entries {
		have = append(have, e.Name())
	}
	if got := strings.Join(have, " "); got != "busy open unmarked work" {
		t.Errorf("left %s", got)
	}
}

func TestLeftOut(t *testing.T) {
	if got, want := leftOut([]string{"a", "b"}), "left out, for they are not ours alone: a; b"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := leftOut([]string{"a", "b", "c", "d", "e"}); !strings.HasSuffix(got, "a; b; c and 2 more") {
		t.Error(got)
	}
}
