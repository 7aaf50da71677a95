package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

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
		if err := r.Wipe(filepath.Join(dir, name)); err != nil {
			r.Warn("remove what the container has changed: " + err.Error())
		}
	}
}

// WipeArg is the one argument with which this program is started to remove a directory that is its working directory's, by the
// name in the environment.
const WipeArg = "__wipe"

// Wipe removes a directory whose files may be of any id that the caller has. What is the caller's own goes at once; the rest
// takes a process that is root of a user namespace with all of them.
func (r *Runtime) Wipe(dir string) error {
	err := wipe(dir)
	if err == nil || !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EPERM) || r.Caller.UID == 0 {
		return err
	}
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
		File: exe, Args: []string{"sandbox", WipeArg}, Env: []string{wipeVariable + "=" + dir}, IDs: ids, Maps: r.Maps, Caller: r.Caller,
	}.Start()
	if err != nil {
		return err
	}
	if status, err := child.Wait(); err != nil || exitStatus(status) != 0 {
		return errors.Join(err, fmt.Errorf("%s stays", dir))
	}
	return nil
}

const wipeVariable = "SANDBOX_WIPE"

// WipeHere is what such a process does.
func WipeHere() error { return wipe(os.Getenv(wipeVariable)) }

// wipe removes a directory, in which overlayfs has left one that not even its owner may look into.
func wipe(dir string) error {
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("%q is no absolute path", dir)
	}
	_ = unix.Fchmodat(unix.AT_FDCWD, filepath.Join(dir, "work/work"), 0o700, 0)
	return os.RemoveAll(dir)
}
