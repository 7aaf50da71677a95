package spec

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// mountWish is what --mount says.
type mountWish struct {
	kind string // bind, tmpfs, overlay, devpts
	volume
	tmpfs []string // size=, mode= and so on, as the kernel calls them
}

func (b *builder) mountFlag(v string) (specs.Mount, error) {
	w, err := parseMount(v)
	if err != nil {
		return specs.Mount{}, err
	}
	switch w.kind {
	case "tmpfs":
		return b.tmpfs(w.destination, append(w.tmpfs, w.words...))
	case "devpts":
		m := ptsMount(b.terminals())
		m.Destination = w.destination
		return m, nil
	}
	return b.bind(w.volume)
}

// parseMount reads podman's type=TYPE,KEY[=VALUE],... There is no quoting: podman 4 has none either.
func parseMount(v string) (mountWish, error) {
	w := mountWish{}
	fields := strings.Split(v, ",")
	for _, f := range fields {
		if kind, ok := strings.CutPrefix(f, "type="); ok {
			w.kind = kind
		}
	}
	switch w.kind {
	case "bind", "tmpfs", "devpts":
	case "overlay":
		w.overlay = true
	case "volume", "":
		w.kind = "volume"
	case "image":
		return w, fmt.Errorf("type image is not supported yet")
	default:
		return w, fmt.Errorf("invalid filesystem type %q, want bind, tmpfs, overlay or devpts", w.kind)
	}
	for _, f := range fields {
		if err := w.field(f); err != nil {
			return w, err
		}
	}
	if err := destination(w.destination); err != nil {
		return w, err
	}
	if w.kind == "volume" {
		if w.named, w.source = w.source, ""; w.named == "" || strings.Contains(w.named, "/") {
			return w, fmt.Errorf("type volume needs src=NAME; for a directory here write type=bind,src=DIR")
		}
	}
	if (w.kind == "bind" || w.overlay) && (w.source == "" || strings.IndexByte(w.source, 0) >= 0) {
		return w, fmt.Errorf("type %s needs src=HOST-DIR", w.kind)
	}
	return w, w.consistent()
}

func (w *mountWish) field(f string) error {
	key, value, hasValue := strings.Cut(f, "=")
	switch key {
	case "type", "", "consistency": // the last is Docker's for Mac, ignored by podman
		return nil
	case "src", "source":
		w.source = value
		return nil
	case "dst", "destination", "target":
		w.destination = value
		return nil
	case "U", "chown", "idmap":
		if on, err := truth(key, value, hasValue); err != nil || !on {
			return err
		}
		return w.option(key)
	case "ro", "readonly", "rw", "readwrite":
		on, err := truth(key, value, hasValue)
		if on == (key[1] == 'o' || key == "readonly") {
			w.words = append(w.words, "ro")
		} else {
			w.words = append(w.words, "rw")
		}
		return err
	}
	if w.kind == "tmpfs" {
		return w.tmpfsField(key, value, f)
	}
	return w.bindField(key, value, hasValue, f)
}

func (w *mountWish) bindField(key, value string, hasValue bool, f string) error {
	switch {
	case key == "bind-propagation" && oneOf(value, propagations):
		w.words = append(w.words, value)
	case key == "bind-nonrecursive":
		on, err := truth(key, value, hasValue)
		if on {
			w.words = append(w.words, "bind")
		}
		return err
	case key == "relabel" && oneOf(value, "shared private"):
		w.relabel = true
	case w.overlay && (key == "upperdir" || key == "workdir"):
		return w.option(f)
	case w.kind == "devpts" && oneOf(key, "uid gid mode max"):
		return fmt.Errorf("%s: not supported yet for devpts", key)
	case !hasValue && wordLine(key) >= 0:
		w.words = append(w.words, key)
	default:
		return fmt.Errorf("%s: invalid mount option", f)
	}
	return nil
}

func (w *mountWish) tmpfsField(key, value, f string) error {
	if name, ok := strings.CutPrefix(key, "tmpfs-"); ok && oneOf(name, "size mode") {
		f = name + "=" + value
	}
	if err := tmpfsOption(f); err != nil {
		return err
	}
	w.tmpfs = append(w.tmpfs, f)
	return nil
}

func truth(key, value string, hasValue bool) (bool, error) {
	if !hasValue {
		return true, nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%s=%s: want true or false", key, value)
	}
	return on, nil
}

func (b *builder) tmpfsFlag(v string) (specs.Mount, error) {
	dir, words, err := parseTmpfs(v)
	if err != nil {
		return specs.Mount{}, err
	}
	return b.tmpfs(dir, words)
}

// parseTmpfs reads DIR[:OPTIONS].
func parseTmpfs(v string) (dir string, words []string, err error) {
	dir, list, _ := strings.Cut(v, ":")
	if err := destination(dir); err != nil {
		return "", nil, err
	}
	for _, word := range strings.Split(list, ",") {
		if word == "" {
			continue
		}
		if err := tmpfsOption(word); err != nil {
			return "", nil, err
		}
		words = append(words, word)
	}
	return dir, words, nil
}

// tmpfsOption checks one word: those of mounts, those of tmpfs(5) with a value, and copying up.
func tmpfsOption(word string) error {
	key, value, hasValue := strings.Cut(word, "=")
	switch {
	case !hasValue && (oneOf(key, "tmpcopyup notmpcopyup") || wordLine(key) > 0):
		return nil
	case key == "mode":
		if n, err := strconv.ParseUint(value, 8, 32); err != nil || n > 0o7777 {
			return fmt.Errorf("%s: want an octal mode", word)
		}
		return nil
	case oneOf(key, "uid gid"):
		if _, ok := parseID(value); !ok {
			return fmt.Errorf("%s: want a number", word)
		}
		return nil
	case oneOf(key, "size nr_inodes nr_blocks"):
		if !sizeText(value) {
			return fmt.Errorf("%s: want a number with k, m, g or %% behind it", word)
		}
		return nil
	}
	return fmt.Errorf("unknown mount option %q", word)
}

// sizeText is what the kernel's memparse takes, and what tmpfs(5) adds to it. The kernel wants the unit
// in either case, people write MB as well as m: only the former goes.
func sizeText(s string) bool {
	digits := strings.TrimRight(s, "kKmMgGtT%")
	_, err := strconv.ParseUint(digits, 10, 63)
	return err == nil && len(s)-len(digits) <= 1
}

// tmpfs makes the mount from words that tmpfsOption accepted.
func (b *builder) tmpfs(dir string, words []string) (specs.Mount, error) {
	var flags, data []string
	copyUp := "tmpcopyup"
	for _, word := range words {
		switch {
		case oneOf(word, "tmpcopyup notmpcopyup"):
			copyUp = word
		case strings.Contains(word, "="):
			data = append(data, word)
		default:
			flags = append(flags, word)
		}
	}
	options, err := mountOptions(flags, []string{"rprivate", "nosuid", "nodev", "rw"})
	if err != nil {
		return specs.Mount{}, err
	}
	options = append(options, data...)
	// Podman copies what the root has there. That is slow, so it is asked for only where there is
	// something; and never in the host's tree, where a tmpfs is for hiding.
	if copyUp == "tmpcopyup" && !b.wish.Tree && !b.emptyInRoot(dir) {
		options = append(options, copyUp)
	}
	return specs.Mount{Destination: dir, Type: "tmpfs", Source: "tmpfs", Options: options}, nil
}

// tmpfsMount is tmpfs for a directory we chose, world-writable like /tmp except for /run.
func (b *builder) tmpfsMount(dir string) specs.Mount {
	mode := "mode=1777"
	if dir == "/run" {
		mode = "mode=755"
	}
	m, _ := b.tmpfs(dir, []string{mode}) // words of our own are always accepted
	return m
}
