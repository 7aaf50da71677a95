package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/idmap"
	"sandbox/pkg/spec"
	"sandbox/pkg/state"
	"sandbox/pkg/userns"
)

// Layer is where a container changes a root that is made of an image's layers. It ends with the container's record, in which
// there is its name alone: the record may lie in a directory that others could write to, and where layers lie is the caller's.
type Layer struct {
	Name string
	Make func() error // makes it, in one of [Runtime.Layers]; what is left of it after an error is removed
}

// open makes the layer, which is written down before.
func (l *Layer) open(d *state.Dir) error {
	if l == nil {
		return nil
	}
	if err := d.Note(state.LayerLink, l.Name); err != nil {
		return err
	}
	return l.Make()
}

// leaveLayer removes it.
func (r *Runtime) leaveLayer(d *state.Dir) {
	var name string
	if json.Unmarshal([]byte(d.Link(state.LayerLink)), &name) != nil || spec.ValidID(name) != nil || r.Layers == nil {
		return
	}
	r.LetGo(name)
	for _, dir := range r.Layers() {
		if err := r.wipeIn(dir, name); err != nil {
			r.Warn("remove what the container has changed: " + err.Error())
		}
	}
}

// wipeIn removes a layer from one of the places where it may be.
func (r *Runtime) wipeIn(dir, name string) error {
	room, err := handle.OpenOwn(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer room.Close()
	err = wipe(room.Name(), name)
	if err == nil || !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EPERM) || r.Caller.UID == 0 {
		return err
	}
	return r.wipeAsAll(room, name)
}

// WipeArg is the one argument with which this program is started to remove a layer that lies in its working directory.
const WipeArg = "__wipe"

// wipeAsAll removes a layer whose files may be of any id that the caller has, by a process that is root of a user namespace with
// all of them.
func (r *Runtime) wipeAsAll(room *handle.Handle, name string) error {
	r.Name()
	want, err := idmap.ParseWant("auto", r.Caller)
	if err != nil {
		return err
	}
	ids, _, err := r.Maps.Choose(want, r.Caller)
	if err != nil {
		return err
	}
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer exe.Close()
	child, err := userns.Program{
		File: exe, Dir: room.FD, Args: []string{"sandbox", WipeArg}, Env: []string{wipeVariable + "=" + name}, IDs: ids, Maps: r.Maps, Caller: r.Caller,
	}.Start()
	if err != nil {
		return err
	}
	if status, err := child.Wait(); err != nil || exitStatus(status) != 0 {
		return errors.Join(err, fmt.Errorf("%s stays", filepath.Join(room.Path, name)))
	}
	return nil
}

const wipeVariable = "SANDBOX_WIPE"

// WipeHere is what such a process does.
func WipeHere() error { return wipe(".", os.Getenv(wipeVariable)) }

// wipe removes a layer in a room, and nothing that is not in it, whatever is exchanged meanwhile. overlayfs has left a directory
// there that not even its owner may look into.
func wipe(room, name string) error {
	if err := spec.ValidID(name); err != nil {
		return err
	}
	dir, err := os.OpenRoot(room)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	_ = dir.Chmod(name+"/work/work", 0o700)
	return dir.RemoveAll(name)
}
