package image

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The layers of a store have the owners that podman's map gives them: the container's root is the caller. In a container in which
// the caller keeps another id, as with --userns keep-id, root's files would be the caller's. An ordinary user can have no idmapped
// mount of them (mount_setattr(2) asks for rights over the file system), so that such a container has a copy of all layers in one,
// with the owners it wants. It is made once. So has any container of an image that fuse-overlayfs has unpacked: what its layers say
// of files that are removed, the kernel may not understand.

// Keeper are the ids that the caller has in such a container; nil is podman's map.
type Keeper struct{ UID, GID uint32 }

// String is how it is written down.
func (k *Keeper) String() string {
	if k == nil {
		return ""
	}
	return fmt.Sprintf("%d:%d", k.UID, k.GID)
}

// ParseKeeper reads that.
func ParseKeeper(text string) (*Keeper, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // that is podman's map
	}
	var k Keeper
	if n, err := fmt.Sscanf(text, "%d:%d", &k.UID, &k.GID); err != nil || n != 2 || k.String() != text {
		return nil, fmt.Errorf("%q: want UID:GID", text)
	}
	return &k, nil
}

// ShiftedRoom is where the copies are.
func (s *Store) ShiftedRoom() string { return filepath.Join(s.Graph, "sandbox-ids") }

// ShiftedPath is the copy of an image for such containers, whether it has been made or not.
func (s *Store) ShiftedPath(id string, k *Keeper) string {
	return filepath.Join(s.ShiftedRoom(), fmt.Sprintf("%s-%d-%d", id, k.UID, k.GID), "diff")
}

// ShiftedOf is the image that a copy is of, by the name of its directory.
func ShiftedOf(name string) string {
	id, _, _ := strings.Cut(name, "-")
	return id
}

// LayersFor are an image's for containers in which the caller has those ids; ok says whether they are there already.
func (i *Image) LayersFor(s *Store, k *Keeper) (l Layers, ok bool, err error) {
	if l, err = i.Layers(s); err != nil || k == nil && !l.Foreign {
		return l, true, err
	}
	if k == nil {
		k = &Keeper{}
	}
	l.Dirs = []string{s.ShiftedPath(i.ID, k)}
	_, err = os.Lstat(l.Dirs[0])
	return l, err == nil, nil
}
