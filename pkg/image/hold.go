package image

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sandbox/pkg/proc"
)

// A container's layers are the store's, and would be gone while it runs if somebody removed the image. So a container that runs
// for longer is written down in the store as one of those that podman and buildah know: they leave its image alone, unless they
// are forced to, and `podman ps --external` shows it. It has no layer there, for what it changes lies elsewhere.

// container is one of the store's (containers.json), as far as we write it.
type container struct {
	ID       string         `json:"id"`
	Names    []string       `json:"names"`
	Image    string         `json:"image"`
	Layer    string         `json:"layer"`
	Metadata string         `json:"metadata"`
	Created  time.Time      `json:"created"`
	Flags    map[string]any `json:"flags"`
}

// containerID is the id under which a container is known to the store: 64 hexadecimal digits of its name. Nobody but the owner of
// both names any, so that there is no need of a hash by which no two could be made alike, which is 0.03 ms of every start.
func containerID(name string) string {
	first, second := fnv.New128a(), fnv.New128a()
	first.Write([]byte("sandbox/" + name))
	second.Write([]byte(name + "/sandbox"))
	return hex.EncodeToString(second.Sum(first.Sum(nil)))
}

// heldFor is what is written down of the container besides, where its layer is not in the store.
type heldFor struct {
	Room string `json:"room,omitempty"`
	Boot string `json:"boot,omitempty"` // of the machine with that directory: a store may be several machines'
}

// Hold writes down that a container uses an image; room is where its layer lies, "" for the store. [ErrUnknown] is one that is
// gone by now.
func (s *Store) Hold(i *Image, name, room string) error {
	if i.ReadOnly {
		return nil
	}
	// In the order in which the library takes its locks.
	unlock, err := i.place.lock(filepath.Join(i.place.dir, i.place.driver+"-images", "images.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(filepath.Join(i.place.dir, i.place.driver+"-images", i.ID)); err != nil {
		return fmt.Errorf("%s: %w", i.Called(), ErrUnknown)
	}
	own, err := holding(i, name, room)
	if err != nil {
		return err
	}
	return s.containers(func(list []json.RawMessage) ([]json.RawMessage, bool) { return append(list, own), true })
}

// holding is what is written down.
func holding(i *Image, name, room string) ([]byte, error) {
	held := heldFor{Room: room}
	if room != "" {
		held.Boot = proc.Boot()
	}
	about, err := json.Marshal(held)
	if err != nil {
		return nil, err
	}
	id := containerID(name)
	return json.Marshal(container{
		ID: id, Names: []string{"sandbox-" + name}, Image: i.ID, Layer: id, Metadata: string(about), Created: time.Now().UTC(), Flags: map[string]any{},
	})
}

// LetGo takes that back, and says whether it was still there.
func (s *Store) LetGo(name string) (was bool, err error) {
	id := containerID(name)
	// Nobody else writes it down: what is not there without the lock was never.
	if data, err := read(s.containersFile(), maxList); err != nil || !bytes.Contains(data, []byte(id)) {
		return false, nil //nolint:nilerr // there is nothing to take back
	}
	err = s.containers(func(list []json.RawMessage) ([]json.RawMessage, bool) {
		kept := slices.DeleteFunc(slices.Clone(list), func(one json.RawMessage) bool {
			var c struct {
				ID string `json:"id"`
			}
			return json.Unmarshal(one, &c) == nil && c.ID == id
		})
		was = len(kept) < len(list)
		return kept, was
	})
	return was, err
}

// LetGoLost does so for all containers whose layer is gone.
func (s *Store) LetGoLost() error {
	data, err := read(s.containersFile(), maxList)
	if err != nil {
		return nil //nolint:nilerr // there is nothing to take back
	}
	var list []container
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("%s: %w", s.containersFile(), err)
	}
	for _, c := range list {
		if name, ours := strings.CutPrefix(strings.Join(c.Names, ","), "sandbox-"); ours && c.ID == containerID(name) && s.lost(&c, name) {
			if _, err := s.LetGo(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) lost(c *container, layer string) bool {
	var held heldFor
	if json.Unmarshal([]byte(c.Metadata), &held) != nil || held.Room != "" && held.Boot != proc.Boot() {
		return false
	}
	_, err := os.Lstat(filepath.Join(cmp.Or(held.Room, s.RoomPath()), layer))
	return errors.Is(err, fs.ErrNotExist)
}

func (s *Store) containersFile() string {
	return filepath.Join(s.Graph, s.Driver+"-containers", "containers.json")
}

// containers changes the list of the store's containers, what others wrote of theirs left as it is.
func (s *Store) containers(change func([]json.RawMessage) (list []json.RawMessage, changed bool)) error {
	file := s.containersFile()
	dir := filepath.Dir(file)
	return changing(filepath.Join(dir, "containers.lock"), func() (bool, error) { return rewrite(file, change) })
}

// rewrite is what is done under the lock.
func rewrite(file string, change func([]json.RawMessage) ([]json.RawMessage, bool)) (changed bool, err error) {
	data, err := read(file, maxList)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	list := []json.RawMessage{}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &list); err != nil {
			return false, fmt.Errorf("%s: %w", file, err)
		}
	}
	if list, changed = change(list); !changed {
		return false, nil
	}
	if data, err = json.Marshal(list); err == nil {
		err = replace(file, data)
	}
	return true, err
}

// replace writes a file as a whole: after a crash it is the old or the new one.
func replace(file string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".tmp-"+filepath.Base(file))
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
