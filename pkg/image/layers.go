package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLayers is overlayfs's own bound of lower layers (OVL_MAX_STACK in fs/overlayfs/params.h).
const maxLayers = 500

// Layers are an image's, by their directories, the topmost first: what an overlay's lower directories are to be. They have the
// short names that the store has for them, of which 150 fit into the one page of options that mount(2) takes.
type Layers struct {
	Dirs []string
	// Foreign: fuse-overlayfs unpacked them, whose marks of what a layer removes the kernel may not know.
	Foreign bool
}

// Layers finds them. The overlay driver has written down in each layer which ones lie below it; vfs has one directory with all.
func (i *Image) Layers(s *Store) (Layers, error) {
	if i.Top == "" {
		return Layers{}, fmt.Errorf("%s has no layer: there is nothing in it to run", i.Called())
	}
	if !hex64(i.Top) {
		return Layers{}, fmt.Errorf("image %s: %q is no layer", i.ID[:12], i.Top)
	}
	homes := []string{filepath.Join(i.place.dir, i.place.driver)}
	for _, p := range s.places {
		if p.driver == i.place.driver && p.dir != i.place.dir {
			homes = append(homes, filepath.Join(p.dir, p.driver))
		}
	}
	switch i.place.driver {
	case "vfs":
		dir := filepath.Join(homes[0], "dir", i.Top)
		return Layers{Dirs: []string{dir}}, isDir(dir)
	case "overlay":
		return overlayLayers(homes, i.Top)
	}
	return Layers{}, fmt.Errorf("the store %s was made by the driver %s, of which nothing is known here: podman can copy it (podman save, sandbox load)", i.place.dir, i.place.driver)
}

// overlayLayers are those of the layer top. homes are the directories of the driver, the image's own first.
func overlayLayers(homes []string, top string) (l Layers, err error) {
	at := slices.IndexFunc(homes, func(home string) bool { return isDir(filepath.Join(home, top, "diff")) == nil })
	if at < 0 {
		return l, fmt.Errorf("layer %s is not in %s: the image is damaged, `podman system check` or pulling it again mends that", top[:12], homes[0])
	}
	own := homes[at]
	// The driver writes down whether it needs a program to mount, "true" or "false".
	if by, err := read(filepath.Join(own, ".has-mount-program"), 16); err == nil && string(by) == "true" {
		l.Foreign = true
	}
	names, err := shortNames(own, top)
	if err != nil {
		return l, err
	}
	for _, name := range names {
		if !isLink(name) {
			return l, fmt.Errorf("layer %s: %q is no name of a layer", top[:12], name)
		}
		dir, err := layerDir(homes, own, name)
		if err != nil {
			return l, err
		}
		l.Dirs = append(l.Dirs, dir)
	}
	return l, nil
}

// shortNames are those of a layer and of all below it.
func shortNames(home, top string) ([]string, error) {
	link, err := read(filepath.Join(home, top, "link"), 1<<10)
	if err != nil {
		return nil, err
	}
	lower, err := read(filepath.Join(home, top, "lower"), maxLayers*64)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	names := []string{"l/" + strings.TrimSpace(string(link))}
	if len(lower) > 0 {
		names = append(names, strings.Split(strings.TrimSpace(string(lower)), ":")...)
	}
	if len(names) > maxLayers {
		return nil, fmt.Errorf("%d layers, of which the kernel takes at most %d", len(names), maxLayers)
	}
	return names, nil
}

// layerDir is the directory that a short name leads to, by that name: l/NAME is a link to ../LAYER/diff.
func layerDir(homes []string, own, name string) (dir string, err error) {
	for _, home := range append([]string{own}, homes...) {
		target, err := os.Readlink(filepath.Join(home, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		id, ok := strings.CutSuffix(strings.TrimPrefix(target, "../"), "/diff")
		if !ok || strings.Contains(id, "/") || id == ".." {
			return "", fmt.Errorf("%s leads to %q, which is no layer", filepath.Join(home, name), target)
		}
		return filepath.Join(home, name), isDir(filepath.Join(home, id, "diff"))
	}
	return "", fmt.Errorf("a layer of the image (%s) is missing: pull it again", filepath.Join(own, name))
}

// isLink says whether a name is one of the driver's short ones: "l/" and capitals and digits.
func isLink(name string) bool {
	short, ok := strings.CutPrefix(name, "l/")
	return ok && short != "" && strings.Trim(short, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

func isDir(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return &os.PathError{Op: "stat", Path: path, Err: unix.ENOTDIR}
	}
	return nil
}

// Called is an image by a name for people.
func (i *Image) Called() string {
	if len(i.Names) > 0 {
		return i.Names[0]
	}
	return i.ID[:12]
}
