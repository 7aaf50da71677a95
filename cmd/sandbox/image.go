package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/handle"
	"sandbox/pkg/image"
	"sandbox/pkg/lifecycle"
	"sandbox/pkg/spec"
)

// imageCaller is whose images are meant.
func imageCaller(r *lifecycle.Runtime) image.Caller {
	home := os.Getenv("HOME")
	if home == "" {
		home = r.Home()
	}
	return image.Caller{UID: r.Caller.UID, Home: home, Env: os.Getenv}
}

// imageStore is the caller's store, read once.
func (a *app) imageStore(r *lifecycle.Runtime) (*image.Store, error) {
	if a.store != nil {
		return a.store, nil
	}
	store, err := image.Open(imageCaller(r))
	if err == nil {
		a.store = store
	}
	return store, err
}

// ofImages are what the lifecycle has to know of images: where containers have what they change, and that one has ended. What is
// wrong with the store, a start has told.
func (a *app) ofImages(r *lifecycle.Runtime) (room func() string, letGo func(string)) {
	room = func() string {
		store, err := a.imageStore(r)
		if err != nil {
			return ""
		}
		return store.RoomPath()
	}
	letGo = func(name string) {
		store, err := a.imageStore(r)
		if err != nil {
			return
		}
		if _, err := store.LetGo(name); err != nil {
			r.Warn("let go of the container's image: " + err.Error())
		}
	}
	return room, letGo
}

// holder writes down that a container uses its image, once it has run for a while: what ends at once needs nobody's patience, and
// to write something down for certain takes as long as it.
type holder struct {
	hold func() error
	stop chan struct{}
	done chan error
}

// holdAfter is how long that is. Somebody who removes images takes longer to begin.
const holdAfter = 100 * time.Millisecond

// begin counts from now on; at once is without waiting.
func (h *holder) begin(atOnce bool) error {
	switch {
	case h == nil:
		return nil
	case atOnce:
		return h.hold()
	}
	h.stop, h.done = make(chan struct{}), make(chan error, 1)
	go func() {
		select {
		case <-h.stop:
			h.done <- nil
		case <-time.After(holdAfter):
			h.done <- h.hold()
		}
	}()
	return nil
}

// end waits until nothing is written any more.
func (h *holder) end() error {
	if h == nil || h.stop == nil {
		return nil
	}
	close(h.stop)
	return <-h.done
}

// goFrom makes the container one of an image, which has been found: nothing is made yet.
func (f *runFlags) goFrom(r *lifecycle.Runtime, store *image.Store, ids spec.IDs, o *lifecycle.Options) error {
	img, err := f.find(r, store)
	if err != nil {
		return err
	}
	conf, err := img.Config()
	if err != nil {
		return err
	}
	f.layer.keep = f.keeps(r, ids)
	lay, err := f.layers(r, store, img)
	if err != nil {
		return err
	}
	view, err := image.NewView(lay.Dirs)
	if err != nil {
		return err
	}
	if err := f.changes(r, store, img, o); err != nil {
		return err
	}
	p := conf.Config
	f.wish.Image = &spec.Image{
		Name: img.Called(), Dir: f.layer.dir, Layers: lay.Dirs, Files: view,
		Entrypoint: p.Entrypoint, Cmd: p.Cmd, Env: p.Env, User: p.User, Workdir: p.WorkingDir, Volumes: slices.Sorted(maps.Keys(p.Volumes)),
	}
	f.layer.mode, f.layer.image = lay.RootMode(), img.ID
	o.Layer.Owner = rootOwner(r, lay, ids)
	if f.publishAll {
		if odd := f.expose(p.ExposedPorts); len(odd) > 0 {
			r.Warn("not published, though image " + img.Called() + " exposes it: " + strings.Join(odd, ", "))
		}
	}
	return nil
}

// keeps are the caller's ids in the container, where an ordinary user has a range of ids and is not root there.
func (f *runFlags) keeps(r *lifecycle.Runtime, ids spec.IDs) *image.Keeper {
	uid, many, _ := insideID(ids.UID, r.Caller.UID)
	gid, more, _ := insideID(ids.GID, r.Caller.GID)
	if r.Caller.UID == 0 || !many || !more || uid == 0 && gid == 0 {
		return nil
	}
	return &image.Keeper{UID: uid, GID: gid}
}

// insideID is what an id of the host is in a map, if it is there; many says whether that has others too.
func insideID(mapped []specs.LinuxIDMapping, id uint32) (inside uint32, many, found bool) {
	for _, m := range mapped {
		if id >= m.HostID && id-m.HostID < m.Size {
			inside, found = m.ContainerID+id-m.HostID, true
		}
	}
	return inside, len(mapped) > 1, found
}

// rootOwner are the user and group of an image's root in a container, nil where that is the caller, or is nobody there.
func rootOwner(r *lifecycle.Runtime, lay image.Layers, ids spec.IDs) []uint32 {
	user, group, known := lay.Owner()
	if !known || user == r.Caller.UID && group == r.Caller.GID {
		return nil
	}
	if !ids.Userns() {
		return []uint32{user, group}
	}
	uid, many, found := insideID(ids.UID, user)
	gid, more, also := insideID(ids.GID, group)
	if !many || !more || !found || !also {
		return nil
	}
	return []uint32{uid, gid}
}

// layers are those of the image. Where other ids are kept they are copied once, which is said.
func (f *runFlags) layers(r *lifecycle.Runtime, store *image.Store, img *image.Image) (image.Layers, error) {
	lay, there, err := img.LayersFor(store, f.layer.keep)
	if err != nil || there {
		return lay, err
	}
	if f.plans {
		return lay, fmt.Errorf("image %s is not copied yet for --userns %s, and a plan makes nothing: run does", img.Called(), cmp.Or(f.wish.Userns, "auto"))
	}
	sizes, err := store.Sizes()
	if err != nil {
		return lay, err
	}
	keep, why := f.layer.keep, "with --userns "+f.wish.Userns+" its files have other owners"
	if keep == nil {
		keep, why = &image.Keeper{}, "fuse-overlayfs made the store, whose layers the kernel does not understand"
	}
	r.Warn(fmt.Sprintf("image %s is copied once, %s: %s", img.Called(), decimal(sizes.Of(img)), why))
	status, err := runImageProgram(r, nil, "shift", "--image="+img.ID, "--keep="+keep.String())
	if err == nil && status != 0 {
		err = fmt.Errorf("image %s cannot be copied", img.Called())
	}
	return lay, err
}

// layer is where the container is to have what it changes.
type layer struct {
	room *handle.Handle
	dir  string // in it
	mode uint32 // of the root
	// image is the id of what is below it, keep the caller's ids in the container
	image string
	keep  *image.Keeper
}

// changes decides on that: beside the store, or where that is read-only or cannot carry an overlay, in $TMPDIR if that is the
// caller's alone, else beside the state of containers.
func (f *runFlags) changes(r *lifecycle.Runtime, store *image.Store, img *image.Image, o *lifecycle.Options) error {
	name, err := randomID()
	if err != nil {
		return err
	}
	o.Layer = &lifecycle.Layer{
		Name: name, Image: img.ID, Keep: f.layer.keep.String(), User: f.wish.User, Make: func(sign string) error { return f.makeLayer(sign, o.Paths) },
	}
	room, why := store.Room()
	if why != nil {
		if room, err = otherRoom(r); err != nil {
			return fmt.Errorf("%w; nor in the store: %w", err, why)
		}
		o.Layer.Room = room.Path
		r.Warn("what the container changes lies in " + room.Path + ": " + why.Error())
	}
	f.layer.room, f.layer.dir = room, filepath.Join(room.Path, name)
	f.held = &holder{hold: func() error { return store.Hold(img, name, o.Layer.Room) }}
	return nil
}

// otherRoom is one that is not the store's.
func otherRoom(r *lifecycle.Runtime) (*handle.Handle, error) {
	if room, err := image.TempRoom(os.Getenv("TMPDIR")); err == nil {
		return room, nil
	}
	if _, err := r.Root.Create(); err != nil {
		return nil, err
	}
	room, err := image.TempRoom(absolute(r.Root.Path))
	if err != nil {
		err = fmt.Errorf("what the container changes can lie nowhere: %w", err)
	}
	return room, err
}

// makeLayer makes it, with what is to be in it from the beginning. The start looks whether its room still is the one.
func (f *runFlags) makeLayer(sign string, paths handle.Set) error {
	upper, err := image.MakeLayer(f.layer.room, filepath.Base(f.layer.dir), f.layer.mode, [2]string{lifecycle.LayerSign, sign})
	if err != nil {
		return err
	}
	defer upper.Close()
	for _, file := range f.wish.Image.Begin {
		if err := image.Put(upper, file.Path, file.Data); err != nil {
			return err
		}
	}
	held, err := f.layer.room.Dup()
	if err == nil {
		paths.Add(filepath.Dir(f.layer.dir), held)
	}
	return err
}

// find is the image that was typed, pulled first where that is wanted.
func (f *runFlags) find(r *lifecycle.Runtime, store *image.Store) (*image.Image, error) {
	switch f.pull {
	case "missing", "never", "always", "newer":
	default:
		return nil, &usageError{fmt.Errorf("--pull %q: want always, missing, newer or never", f.pull), 125}
	}
	img, err := store.Find(f.image)
	missing := errors.Is(err, image.ErrUnknown)
	switch {
	case missing && f.plans:
		return nil, fmt.Errorf("%w in %s, and a plan pulls nothing", err, store.Graph)
	case f.plans:
		return img, err
	case missing && f.pull == "never":
		return nil, fmt.Errorf("%w in %s, and --pull=never", err, store.Graph)
	case !missing && (err != nil || f.pull == "missing" || f.pull == "never"):
		return img, err
	}
	if err := f.pullImage(r); err != nil {
		return nil, fmt.Errorf("%w; a directory has a slash (./%s), a command of this host comes after -- (sandbox run -- %[2]s)", err, f.image)
	}
	return store.Find(f.image)
}

// pullImage has the other program pull it. What it says of that goes to standard error.
func (f *runFlags) pullImage(r *lifecycle.Runtime) error {
	args := []string{"pull", "--policy", "always"}
	if f.platform != "" {
		args = append(args, "--platform", f.platform)
	}
	status, err := runImageProgram(r, nil, append(args, f.image)...)
	if err == nil && status != 0 {
		err = fmt.Errorf("image %s cannot be pulled", f.image)
	}
	return err
}
