package lifecycle

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"sandbox/pkg/handle"
	"sandbox/pkg/proc"
	"sandbox/pkg/state"
)

// What a container is lies where a boot, or the end of its user's last session, takes it away, and what it has changed of an
// image does not. So beside each layer lies whose it is.

// LayerSign is the name of a link beside a layer's directories that says whose it is.
const LayerSign = "of"

// layerOwner is the container that a layer belongs to, in the text of that link as JSON.
type layerOwner struct {
	Boot  string `json:"boot"`  // [proc.Boot]
	Place string `json:"place"` // the mount namespace of whoever made it
	Dir   string `json:"dir"`   // the container's directory, as that one saw it
}

func signFor(d *state.Dir) (string, error) {
	dir, err := filepath.Abs(d.Path)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(layerOwner{proc.Boot(), ownPlace(), dir})
	return string(text), err
}

func ownPlace() string {
	name, _ := os.Readlink("/proc/self/ns/mnt") // "" where there is no /proc
	return name
}

// Abandoned are the layers of containers that are no more, though nobody has deleted them. What somebody in another mount
// namespace has made, who may see other directories than we do (a container, a service with a /tmp of its own), is not judged before
// the machine has started anew.
func (r *Runtime) Abandoned() (names []string, err error) {
	entries, err := os.ReadDir(r.Layers())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		text, err := os.Readlink(filepath.Join(r.Layers(), e.Name(), LayerSign))
		var o layerOwner
		if err != nil || json.Unmarshal([]byte(text), &o) != nil { // an earlier binary's
			continue
		}
		if o.seen() && !o.has(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// seen says whether we would see the container's directory: where it was made, or after another boot. What cannot be known
// (a masked /proc) is neither.
func (o *layerOwner) seen() bool {
	boot, place := proc.Boot(), ownPlace()
	return boot != "" && o.Boot != "" && o.Boot != boot || place != "" && o.Place == place
}

// has says whether the container still has a layer, or cannot be asked.
func (o *layerOwner) has(layer string) bool {
	text, err := os.Readlink(filepath.Join(o.Dir, state.LayerLink))
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	n, ok := readLayerNote(text)
	return err != nil || !ok || n.Name == layer
}

// DropLayer removes one, and the note in the store that its container needs the image.
func (r *Runtime) DropLayer(n LayerNote) error {
	r.LetGo(n.Name)
	room, err := handle.OpenOwn(cmp.Or(n.Room, r.Layers()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer room.Close()
	err = r.wipeIn(room, n.Name)
	if n.Room != "" {
		_ = os.Remove(n.Room) // unless there are others in it
	}
	return err
}
