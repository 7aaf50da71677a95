package image

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.podman.io/storage/pkg/lockfile"
)

// TestLock: what podman does with a lock and what we do keep each other out, and each knows that the other has written.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "overlay-images", "images.lock") // which is made
	unlock, err := lockShared(path, false)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	theirs, err := lockfile.GetLockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	theirs.RLock()
	before, err := theirs.GetLastWrite()
	if err != nil {
		t.Fatal(err)
	}
	if unlock, err = lockShared(path, false); err != nil { // both read
		t.Fatal(err)
	}
	theirs.Unlock()
	unlock()

	done := make(chan error)
	for what, ours := range map[string]func() error{
		"reading":  func() error { unlock, err := lockShared(path, false); unlock(); return err },
		"changing": func() error { return changing(path, func() (bool, error) { return true, nil }) },
	} {
		theirs.Lock()
		go func() { done <- ours() }()
		select {
		case <-done:
			t.Errorf("%s did not wait for somebody who writes", what)
			theirs.Unlock()
			continue
		case <-time.After(100 * time.Millisecond):
		}
		theirs.Unlock()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	theirs.RLock()
	if _, written, err := theirs.ModifiedSince(before); err != nil || !written {
		t.Errorf("the library does not see that it was changed: %v", err)
	}
	theirs.Unlock()
	if info, err := os.Stat(path); err != nil || info.Size() != 64 {
		t.Errorf("the lock has %d bytes (%v), and the library's have 64", info.Size(), err)
	}
}
