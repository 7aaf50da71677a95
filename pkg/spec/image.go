package spec

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Image is the root of a wish that is made of an image's layers, and what the image says of the process. An image is a
// stranger's: of what it says counts what is in here, and nothing of it becomes an annotation.
type Image struct {
	Name   string     // for messages
	Dir    string     // what belongs to this container; it is made later, in a directory that is there
	Layers []string   // directories, the topmost first
	Files  ImageFiles // what they show

	Entrypoint, Cmd, Env []string
	User, Workdir        string
	Begin                []File   // what the container begins with besides; [Wish.Spec] says
	Volumes              []string // places with data of their own, which a read-only root leaves writable
}

// ImageFiles looks into the layers of an image, as a container will see them. What is a link is followed, and never out of them.
type ImageFiles interface {
	Open(path string, flags int) (fd int, err error) // for reading; ENXIO for what is no file or directory
	Empty(path string) bool                          // nothing is in that directory, or there is none
}

// Upper is the directory of what the container changes, and Work overlayfs's own beside it.
func (i *Image) Upper() string { return filepath.Join(i.Dir, "diff") }
func (i *Image) Work() string  { return filepath.Join(i.Dir, "work") }

// imageMount is the overlay that becomes the root. Nobody asks it to survive a crash of the machine (volatile, Linux 5.10).
func (b *builder) imageMount() specs.Mount {
	i := b.wish.Image
	lower := make([]string, len(i.Layers))
	for n, dir := range i.Layers {
		lower[n] = escapeLayer(dir)
	}
	m := specs.Mount{Destination: "/", Type: "overlay", Source: "overlay", Options: []string{
		"nodev", "lowerdir=" + strings.Join(lower, ":"), "upperdir=" + escapeLayer(i.Upper()), "workdir=" + escapeLayer(i.Work()), "volatile",
	}}
	if b.ids.Userns() {
		// Else only the host's root could record what is removed (Linux 5.11).
		m.Options = append(m.Options, "userxattr")
	}
	return m
}

// imageVolumes are the image's volumes for a root that is read-only: elsewhere they are a part of what the container changes,
// and end with it, as anonymous volumes do.
func (b *builder) imageVolumes() (mounts []specs.Mount, err error) {
	if b.wish.Image == nil || !b.wish.ReadOnly {
		return nil, nil
	}
	for _, dir := range b.wish.Image.Volumes {
		if !filepath.IsAbs(dir) || filepath.Clean(dir) == "/" {
			return nil, fmt.Errorf("image %s: volume %q: want an absolute path", b.wish.Image.Name, dir)
		}
		mounts = append(mounts, b.imageVolume(filepath.Clean(dir)))
	}
	return mounts, nil
}

// imageVolume is one of them: the directory itself, which a mount of its own keeps writable.
func (b *builder) imageVolume(dir string) specs.Mount {
	if !b.isDirInRoot(dir) {
		m, _ := b.tmpfs(dir, []string{"mode=755"}) // words of our own are always accepted
		return m
	}
	return specs.Mount{Destination: dir, Type: "bind", Source: filepath.Join(b.spec.Root.Path, dir), Options: []string{"bind", "rprivate", "nosuid", "nodev", "rw"}}
}

// command is what is run where flags say nothing: the image's entrypoint before what was typed, or before its own command.
// With an --entrypoint neither of the image's counts.
func (i *Image) command(typed []string, entry *string) ([]string, error) {
	args := typed
	if entry == nil {
		if len(args) == 0 {
			args = i.Cmd
		}
		args = append(slices.Clone(i.Entrypoint), args...)
	}
	if len(args) == 0 && (entry == nil || *entry == "") {
		return nil, fmt.Errorf("no command or entrypoint provided, and no CMD or ENTRYPOINT from image %s", i.Name)
	}
	return args, nil
}

// words are what of it gets into messages and paths.
func (i *Image) words() []string {
	if i == nil {
		return nil
	}
	return append([]string{i.Name, i.Dir, i.User, i.Workdir}, i.Volumes...)
}

// asUser is who the process is to be, and who says so.
func (b *builder) asUser() (who, says string) {
	if i := b.wish.Image; b.wish.User == "" && i != nil && i.User != "" {
		return i.User, fmt.Sprintf("user %q of image %s", i.User, i.Name)
	}
	return b.wish.User, fmt.Sprintf("--user %q", b.wish.User)
}
