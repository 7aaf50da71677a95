package lifecycle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sandbox/pkg/proc"
	"sandbox/pkg/state"
)

// Names come again: what is done to a container that has ended must not be done to another one, which has taken its name
// since.

// living is the record of a container whose process is this one.
func living(t *testing.T, id string) *state.Record {
	t.Helper()
	self, err := proc.Of(os.Getpid())
	must(t, err)
	return &state.Record{ID: id, Pid: self.Pid, Begin: self.Begin, Boot: self.Boot, AutoRemove: true}
}

// made writes a container's record.
func made(t *testing.T, r *Runtime, rec *state.Record) {
	t.Helper()
	d, err := r.Root.Claim(rec.ID, r.evict)
	must(t, err)
	must(t, d.Write(rec))
	d.Close()
}

func isRecorded(r *Runtime, id string) bool {
	_, err := os.Lstat(filepath.Join(r.Root.Path, id, state.RecordFile))
	return err == nil
}

// TestNameInUse: one that runs keeps its name, also when it is to be removed at its end.
func TestNameInUse(t *testing.T) {
	r := newRuntime(t)
	rec := living(t, "web")
	made(t, r, rec)
	if _, err := r.Root.Claim("web", r.evict); err == nil || !strings.Contains(err.Error(), "container with given ID already exists") {
		t.Errorf("the name of a container that runs: %v", err)
	}
	if !isRecorded(r, "web") {
		t.Error("its record is gone")
	}
	rec.Begin++ // another process has the number
	must(t, os.RemoveAll(filepath.Join(r.Root.Path, "web")))
	made(t, r, rec)
	d, err := r.Root.Claim("web", r.evict)
	if err != nil {
		t.Fatalf("the name of one that has ended: %v", err)
	}
	d.Close()
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
	d, err := r.Root.Dir("web")
	must(t, err)
	defer d.Close()
	if r.sweepEnded(d) || !isRecorded(r, "web") {
		t.Error("a container that runs was swept")
	}
}
