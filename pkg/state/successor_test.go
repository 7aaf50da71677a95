package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Names come again: what is done to a container that has ended must not be done to another one, which has taken its name
// since.

func made(t *testing.T, r *Root, id string) {
	t.Helper()
	d, err := r.Claim(id, room)
	must(t, err)
	must(t, d.Write(&Record{ID: id}))
	d.Close()
}

// TestLockSuccessor: whoever has waited for the lock of a directory that is gone has nothing.
func TestLockSuccessor(t *testing.T) {
	r := newRoot(t)
	made(t, r, "web")
	late, err := r.known("web")
	must(t, err)
	defer late.Close()
	d, err := r.Hold("web")
	must(t, err)
	must(t, d.Remove())
	made(t, r, "web")
	if err := late.lock(unix.LOCK_EX); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("locked what is gone: %v", err)
	}
}

// TestRecordOfAnother: a record that was copied, or whose directory was renamed, speaks for nobody.
func TestRecordOfAnother(t *testing.T) {
	r := newRoot(t)
	made(t, r, "web")
	must(t, os.Rename(filepath.Join(r.Path, "web"), filepath.Join(r.Path, "db")))
	if _, _, err := r.Find("db"); err == nil || !strings.Contains(err.Error(), `damaged (its id is "web")`) {
		t.Errorf("the record of another container: %v", err)
	}
}
