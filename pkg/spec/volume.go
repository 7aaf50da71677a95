package spec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// volume is what -v or --mount says, before anything has been looked at.
type volume struct {
	source, destination string
	named               string // a volume's name, in place of the source
	noCopy              bool   // what the image has in its place is not copied into a new one
	overlay             bool
	upper, work         string
	relabel             bool
	words               []string // of mountWords
}

// mounts adds the caller's own to those of the form. One on the destination of ours takes its place, and
// its turn (podman); the others come behind ours, shallow before deep.
func (b *builder) mounts() error {
	for _, flag := range []struct {
		name   string
		values []string
		parse  func(string) (specs.Mount, error)
	}{
		{"--volume", b.wish.Volumes, b.volumeFlag},
		{"--mount", b.wish.Mounts, b.mountFlag},
		{"--tmpfs", b.wish.Tmpfs, b.tmpfsFlag},
	} {
		for _, v := range flag.values {
			m, err := flag.parse(v)
			if err == nil {
				err = b.add(m)
			}
			if err != nil {
				return fmt.Errorf("%s %q: %w", flag.name, v, err)
			}
		}
	}
	byDepth(b.theirs)
	b.spec.Mounts = b.ours
	for _, m := range b.theirs {
		if i := mountOn(b.ours, m.Destination); i >= 0 {
			b.spec.Mounts[i] = m
		} else {
			b.spec.Mounts = append(b.spec.Mounts, m)
		}
	}
	return nil
}

func (b *builder) add(m specs.Mount) error {
	m.Destination = filepath.Clean(m.Destination)
	if m.Destination == "/" {
		return errOverRoot
	}
	if i := mountOn(b.theirs, m.Destination); i >= 0 {
		return fmt.Errorf("%s: duplicate mount destination", m.Destination)
	}
	b.theirs = append(b.theirs, m)
	return nil
}

var errOverRoot = errors.New("the root itself cannot be mounted over")

func mountOn(mounts []specs.Mount, destination string) int {
	for i, m := range mounts {
		if m.Destination == destination {
			return i
		}
	}
	return -1
}

func (b *builder) volumeFlag(v string) (specs.Mount, error) {
	vol, err := parseVolume(v)
	if err != nil {
		return specs.Mount{}, err
	}
	if vol.named != "" && vol.destination == "" {
		return specs.Mount{}, fmt.Errorf("volume %s has no place in the container, %[1]s:/DIR; a directory here is ./%[1]s", vol.named)
	}
	if vol.destination == "" { // -v DIR is -v DIR:DIR
		vol.destination = b.abs(vol.source)
	}
	return b.bind(vol)
}

// parseVolume reads SRC:DST[:OPTIONS], or SRC[:OPTIONS] for a place of the same name.
func parseVolume(v string) (volume, error) {
	parts := strings.Split(v, ":")
	vol := volume{source: parts[0]}
	switch {
	case len(parts) > 3 || vol.source == "":
		return vol, fmt.Errorf("incorrect volume format, should be host-dir[:ctr-dir[:option]]")
	case strings.IndexByte(vol.source, 0) >= 0:
		return vol, fmt.Errorf("NUL byte in %q", vol.source)
	case vol.source[0] != '/' && vol.source[0] != '.' && strings.Contains(vol.source, "/"):
		return vol, fmt.Errorf("%q is no name of a volume: a directory here is ./%[1]s", vol.source)
	case vol.source[0] != '/' && vol.source[0] != '.':
		vol.named, vol.source = vol.source, ""
	}
	switch {
	case len(parts) == 1:
		return vol, nil
	}
	if len(parts) == 2 && isOptions(parts[1]) { // -v DIR:ro is -v DIR:DIR:ro
		return vol, vol.optionList(parts[1])
	}
	vol.destination = parts[1]
	if err := destination(vol.destination); err != nil {
		return vol, err
	}
	if len(parts) == 3 {
		return vol, vol.optionList(parts[2])
	}
	return vol, vol.consistent()
}

// isOptions tells options from a destination, which begins with a slash.
func isOptions(text string) bool {
	if text == "" || text[0] == '/' {
		return false
	}
	var v volume
	for _, word := range strings.Split(text, ",") {
		if v.option(word) != nil {
			return true // an option all the same, which is refused by its name
		}
	}
	_, err := mountOptions(v.words, bindDefaults())
	return err == nil
}

func (v *volume) optionList(text string) error {
	for _, word := range strings.Split(text, ",") {
		if err := v.option(word); err != nil {
			return err
		}
	}
	return v.consistent()
}

func (v *volume) option(word string) error {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "":
	case "O":
		v.overlay = true
	case "z", "Z":
		v.relabel = true
	case "U", "chown":
		return fmt.Errorf("option U is not supported: it would give your files to other ids: use --userns keep-id")
	case "idmap":
		return fmt.Errorf("option idmap is not supported yet")
	case "copy", "nocopy": // podman accepts them for directories, too
		v.noCopy = key == "nocopy"
	case "upperdir":
		v.upper = value
	case "workdir":
		v.work = value
	default:
		v.words = append(v.words, word)
	}
	return nil
}

func (v *volume) consistent() error {
	if _, err := mountOptions(v.words, bindDefaults()); err != nil {
		return err
	}
	switch {
	case v.overlay && len(v.words) > 0:
		return fmt.Errorf("can't use 'O' with other options")
	case !v.overlay && (v.upper != "" || v.work != ""):
		return fmt.Errorf("upperdir and workdir need option O")
	case (v.upper == "") != (v.work == ""):
		return fmt.Errorf("upperdir and workdir need each other")
	case strings.IndexByte(v.upper+v.work, 0) >= 0:
		return fmt.Errorf("NUL byte in upperdir or workdir")
	}
	return nil
}

// Hold opens what the flags name on the host for the container, its root and what is mounted from here, and keeps it in the
// caller's Paths, for the Spec to use. What cannot be read or opened is none; that is told when the spec is made. An error
// is one for which there will be no spec.
func (w *Wish) Hold(c Caller) (held []*handle.Handle, err error) {
	b := &builder{wish: *w, caller: c, paths: c.Paths}
	if err := b.openWorkdir(); err != nil {
		return nil, err
	}
	if err := b.elsewhere(); err != nil {
		return nil, err
	}
	for _, path := range w.sources() {
		if h, err := b.typed(path); err == nil {
			held = append(held, h)
		}
	}
	return held, nil
}

// sources are the paths that the flags name, as they were typed.
func (w *Wish) sources() (paths []string) {
	if w.Rootfs != "" {
		paths = append(paths, w.Rootfs)
	}
	add := func(v volume, err error) {
		if err == nil && v.source != "" {
			paths = append(paths, v.source)
		}
		if err == nil && v.upper != "" {
			paths = append(paths, v.upper)
		}
	}
	for _, v := range w.Volumes {
		add(parseVolume(v))
	}
	for _, v := range w.Mounts {
		m, err := parseMount(v)
		add(m.volume, err)
	}
	return paths
}

// bind looks at the source and makes the mount.
func (b *builder) bind(v volume) (specs.Mount, error) {
	if err := b.resolve(&v); err != nil {
		return specs.Mount{}, err
	}
	source := b.abs(v.source)
	h, err := b.typed(v.source)
	if err != nil {
		return specs.Mount{}, statError(source, err)
	}
	if v.relabel {
		if b.kind("/sys/fs/selinux/enforce") != 0 {
			return specs.Mount{}, fmt.Errorf("options z and Z are not supported yet: give it the label with `chcon -Rt container_file_t %s`", source)
		}
		b.notice("no-selinux", "%s: options z and Z have no effect, SELinux is not in use here", source)
	}
	if v.overlay {
		return b.overlay(v, h)
	}
	options, err := mountOptions(v.words, bindDefaults())
	return specs.Mount{Destination: v.destination, Type: "bind", Source: source, Options: options}, err
}

// resolve finds a named volume.
func (b *builder) resolve(v *volume) (err error) {
	switch {
	case v.named == "":
		return nil
	case filepath.Clean(v.destination) == "/":
		return errOverRoot
	case b.wish.Volume == nil:
		return fmt.Errorf("there are no named volumes here: a directory is ./%s", v.named)
	}
	v.source, err = b.wish.Volume(v.named, v.destination, !v.noCopy)
	return err
}

func (b *builder) overlay(v volume, source *handle.Handle) (specs.Mount, error) {
	m := overlayMount(source.Path, v.destination)
	if err := isDir(source); err != nil {
		return m, err
	}
	for _, layer := range []struct{ key, dir string }{{"upperdir", v.upper}, {"workdir", v.work}} {
		if layer.dir == "" {
			continue
		}
		h, err := b.typed(layer.dir)
		if err == nil {
			err = isDir(h)
		}
		if err != nil {
			return m, statError(b.abs(layer.dir), err)
		}
		m.Options = append(m.Options, layer.key+"="+escapeLayer(h.Path))
	}
	return m, nil
}

// statError says of a source that cannot be opened what podman's users know.
func statError(path string, err error) error {
	var at *os.PathError
	if errors.As(err, &at) {
		return &os.PathError{Op: "statfs", Path: path, Err: at.Err}
	}
	return err
}

func isDir(h *handle.Handle) error {
	if !h.IsDir() {
		return fmt.Errorf("%s is %s: %w", h.Path, kindOf(h.Mode), unix.ENOTDIR)
	}
	return nil
}
