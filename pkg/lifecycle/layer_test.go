package lifecycle

import (
	"os"
	"path/filepath"
	"testing"
)

// What a layer holds in place of overlayfs's own directories leads nowhere when the layer is removed: a command of before may have
// put a link there.
func TestWipeLink(t *testing.T) {
	room, key := t.TempDir(), filepath.Join(t.TempDir(), "key")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(key, nil, 0o600))
	must(os.MkdirAll(filepath.Join(room, "x/work"), 0o700))
	must(os.Mkdir(filepath.Join(room, "x/diff"), 0o500))
	must(os.Symlink(key, filepath.Join(room, "x", scratch)))
	must(wipe(room, "x"))
	if info, err := os.Stat(key); err != nil || info.Mode() != 0o600 {
		t.Errorf("the key: %v, %v, want 0600", info.Mode(), err)
	}
	if left, err := os.ReadDir(room); err != nil || len(left) != 0 {
		t.Errorf("left in the room: %v, %v", left, err)
	}
}
