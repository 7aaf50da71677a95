package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/idmap"
	"sandbox/pkg/spec"
	"sandbox/pkg/state"
	"sandbox/pkg/userns"
)

// Layer is where a container changes a root that is made of an image's layers. It ends with the container's record, in which
// there is its name alone: the record may lie in a directory that others could write to, and the place of layers is the caller's.
type Layer struct {
	Name  string
	Room  string // the directory with it, where that is not [Runtime.Layers]: its name is [TempLayers]
	Image string // the id of the image
	Keep  string // the caller's ids in it (image.Keeper), for whoever reads its files
	User  string // --user, for whoever makes an image of it
	// Owner are the user and group of the root inside, where those are not the caller.
	Owner []uint32
	// Make makes it; sign is the text of the link [LayerSign] that is to lie in the layer. What is left of it after an error is removed.
	Make func(sign string) error
}

func (l *Layer) rootOwner() []uint32 {
	if l == nil {
		return nil
	}
	return l.Owner
}

// TempLayers is the name of every directory with layers that is not [Runtime.Layers], and no container's: what a record names is removed, and may have
// been written by somebody else.
const TempLayers = "sandbox@layers"

// LayerNote is what is written down of it.
type LayerNote struct {
	Name  string `json:"name"`
	Room  string `json:"room,omitempty"`
	Image string `json:"image"`
	Keep  string `json:"keep,omitempty"`
	User  string `json:"user,omitempty"`
}

// layerOf is what was written down of a container's layer.
func layerOf(d *state.Dir) (n LayerNote, ok bool) {
	return readLayerNote(d.Link(state.LayerLink))
}

func readLayerNote(text string) (n LayerNote, ok bool) {
	ok = json.Unmarshal([]byte(text), &n) == nil || json.Unmarshal([]byte(text), &n.Name) == nil // its name alone, before there was more to say
	return n, ok && spec.ValidID(n.Name) == nil && (n.Room == "" || filepath.Base(n.Room) == TempLayers)
}

// LayerOf is what was written down of a container's layer.
func (r *Runtime) LayerOf(id string) (n LayerNote, err error) {
	d, _, err := r.Root.Find(id)
	if err != nil {
		return n, err
	}
	defer d.Close()
	n, ok := layerOf(d)
	if !ok {
		return n, fmt.Errorf("container %s changes no image in the store of images: its root is a directory", id)
	}
	return n, nil
}

// SpecOf is what a container was made from.
func (r *Runtime) SpecOf(id string) (*specs.Spec, error) {
	d, rec, err := r.Root.Find(id)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	err = d.Recall(rec)
	return rec.Spec, err
}

// open makes the layer, which is written down before.
func (l *Layer) open(d *state.Dir) error {
	if l == nil {
		return nil
	}
	if err := d.Note(state.LayerLink, LayerNote{l.Name, l.Room, l.Image, l.Keep, l.User}); err != nil {
		return err
	}
	sign, err := signFor(d)
	if err != nil {
		return err
	}
	return l.Make(sign)
}

// leaveLayer removes it.
func (r *Runtime) leaveLayer(d *state.Dir) {
	layer, ok := layerOf(d)
	if !ok || r.Layers == nil {
		return
	}
	if err := r.DropLayer(layer); err != nil {
		r.Warn("remove what the container has changed: " + err.Error())
	}
}

// wipeIn removes a layer from a directory, where it is there.
func (r *Runtime) wipeIn(room *handle.Handle, name string) error {
	if _, err := os.Lstat(filepath.Join(room.Name(), name)); err != nil {
		return nil //nolint:nilerr // there is none
	}
	err := wipe(room.Name(), name)
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

// closedDirs are directories of a layer that not even their owner may change: the root of an image may be read-only, and overlayfs
// leaves some of its own.
var closedDirs = []string{"/diff", scratch, scratch + "/incompat", scratch + "/incompat/volatile"}

// scratch is what overlayfs makes in its workdir, which is beside the layer's files and has the same name.
const scratch = "/work" + "/work"

// wipe removes a layer in a room, and nothing that is not in it, whatever is exchanged meanwhile.
func wipe(room, name string) error {
	if err := spec.ValidID(name); err != nil {
		return err
	}
	at, err := handle.Open(room)
	if err != nil {
		return err
	}
	defer at.Close()
	for _, closed := range closedDirs {
		if dir, err := at.Beneath(name + closed); err == nil { // behind no link
			_ = os.Chmod(dir.Name(), 0o700)
			dir.Close()
		}
	}
	dir, err := os.OpenRoot(at.Name())
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	return dir.RemoveAll(name)
}
