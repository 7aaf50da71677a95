package lifecycle

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
)

// Names come again: what is done to a container that has ended must not be done to another one, which has taken its name
// since.

// living is the record of a container whose process is this one.
func living(t *testing.T, id string) *Record {
	t.Helper()
	self, err := proc.Of(os.Getpid())
	must(t, err)
	return &Record{ID: id, Pid: self.Pid, Begin: self.Begin, Boot: self.Boot, AutoRemove: true}
}

// made writes a container's record.
func made(t *testing.T, r *Runtime, rec *Record) {
	t.Helper()
	d, err := r.claim(rec.ID)
	must(t, err)
	must(t, d.write(rec))
	d.close()
}

func isRecorded(r *Runtime, id string) bool {
	_, err := os.Lstat(filepath.Join(r.Root, id, recordFile))
	return err == nil
}

// TestNameInUse: one that runs keeps its name, also when it is to be removed at its end.
func TestNameInUse(t *testing.T) {
	r := newRuntime(t)
	rec := living(t, "web")
	made(t, r, rec)
	if _, err := r.claim("web"); err == nil || !strings.Contains(err.Error(), "container with given ID already exists") {
		t.Errorf("the name of a container that runs: %v", err)
	}
	if !isRecorded(r, "web") {
		t.Error("its record is gone")
	}
	rec.Begin++ // another process has the number
	must(t, os.RemoveAll(filepath.Join(r.Root, "web")))
	made(t, r, rec)
	d, err := r.claim("web")
	if err != nil {
		t.Fatalf("the name of one that has ended: %v", err)
	}
	d.close()
}

// TestRemoveSuccessor: a foreground run that ends removes its own container.
func TestRemoveSuccessor(t *testing.T) {
	r := newRuntime(t)
	rec := living(t, "web")
	made(t, r, rec)
	earlier := *rec
	earlier.Begin--
	r.Remove(&Container{Record: earlier, run: r})
	if !isRecorded(r, "web") {
		t.Fatal("the run of an earlier container has removed this one")
	}
	r.Remove(&Container{Record: *rec, run: r})
	if isRecorded(r, "web") {
		t.Error("its own run has not")
	}
}

// TestSweepSuccessor: what was seen before the lock may have been another container.
func TestSweepSuccessor(t *testing.T) {
	r := newRuntime(t)
	made(t, r, living(t, "web"))
	d, err := r.open("web")
	must(t, err)
	defer d.close()
	if r.sweepEnded(d) || !isRecorded(r, "web") {
		t.Error("a container that runs was swept")
	}
}

// TestLockSuccessor: whoever has waited for the lock of a directory that is gone has nothing.
func TestLockSuccessor(t *testing.T) {
	r := newRuntime(t)
	made(t, r, living(t, "web"))
	late, err := r.known("web")
	must(t, err)
	defer late.close()
	d, err := r.hold("web")
	must(t, err)
	must(t, d.remove())
	made(t, r, living(t, "web"))
	if err := late.lock(unix.LOCK_EX); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("locked what is gone: %v", err)
	}
}

// TestRecordOfAnother: a record that was copied, or whose directory was renamed, speaks for nobody.
func TestRecordOfAnother(t *testing.T) {
	r := newRuntime(t)
	made(t, r, living(t, "web"))
	must(t, os.Rename(filepath.Join(r.Root, "web"), filepath.Join(r.Root, "db")))
	if _, _, err := r.find("db"); err == nil || !strings.Contains(err.Error(), `damaged (its id is "web")`) {
		t.Errorf("the record of another container: %v", err)
	}
}
