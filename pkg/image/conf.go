package image

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/sys/unix"
)

// Caller is whose images are meant.
type Caller struct {
	UID  uint32
	Home string
	// Env is the environment: CONTAINERS_STORAGE_CONF, STORAGE_DRIVER and XDG directories are asked of it.
	Env func(string) string
	// Lock takes a lock of the store that others may have at the same time. It is that of go.podman.io/storage in a process which
	// uses that: the locks of one would be given up by what the other does. An additional store is readOnly. Nil is our own.
	Lock func(path string, readOnly bool) (unlock func(), err error)

	hostRoot string // before the files of the host that are read; tests point it at a folder
}

// settings is what is asked of a storage.conf(5).
type settings struct {
	Storage struct {
		Driver     string `toml:"driver"`
		Graph      string `toml:"graphroot"`
		Images     string `toml:"imagestore"`
		OldPrivate string `toml:"rootless_storage_path"`
		Options    struct {
			Others       []any  `toml:"additionalimagestores"`
			MountProgram string `toml:"mount_program"`
			Overlay      struct {
				MountProgram string `toml:"mount_program"`
			} `toml:"overlay"`
		} `toml:"options"`
	} `toml:"storage"`
}

// configured is where a store is meant to be.
type configured struct {
	graph, images, driver string
	others                []string // read-only ones, that are looked into last

	private string // rootless_storage_path
	named   bool   // graphroot was said
}

// configuration reads all that says where a caller's store is. podman before 6 reads one file, 6 one and the drop-ins of all
// directories; what both agree on comes out the same.
func (c Caller) configuration() (configured, error) {
	conf := configured{graph: "/var/lib/containers/storage", driver: c.Env("STORAGE_DRIVER")}
	if c.UID != 0 {
		conf.graph = filepath.Join(cmp.Or(c.Env("XDG_DATA_HOME"), filepath.Join(c.Home, ".local/share")), "containers/storage")
	}
	files, err := c.files()
	if err != nil {
		return conf, err
	}
	for _, file := range files {
		var s settings
		if err := decode(file, &s); err != nil {
			return conf, err
		}
		conf.take(c, file, &s)
	}
	if conf.private != "" && !conf.named {
		conf.graph = conf.private
	}
	if conf.driver == "overlay2" {
		conf.driver = "overlay"
	}
	return conf, nil
}

// decode reads a file of TOML. What it has besides is not an error: the files are podman's.
func decode(file string, into any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := toml.Unmarshal(data, into); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, _ := at.Position()
			return fmt.Errorf("%s, line %d: %w", file, line, err)
		}
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// take adds what one file says.
func (conf *configured) take(c Caller, file string, s *settings) {
	st := &s.Storage
	if st.Driver != "" && c.Env("STORAGE_DRIVER") == "" {
		conf.driver = st.Driver
	}
	if graph := c.expand(st.Graph); graph != "" && (c.UID == 0 || own(file) || own(graph)) {
		conf.graph, conf.named = graph, true
	}
	if st.OldPrivate != "" && c.UID != 0 {
		conf.private = c.expand(st.OldPrivate)
	}
	if st.Images != "" {
		conf.images = c.expand(st.Images)
	}
	for _, other := range st.Options.Others {
		if path, ok := other.(string); ok {
			conf.others = append(conf.others, c.expand(path))
		}
	}
}

// own says whether a file is the caller's: before podman 6 a graphroot of the system's files was root's, and an ordinary user's
// store was elsewhere.
func own(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && st.Uid == uint32(unix.Geteuid()) // 0 for their owner's root of a user namespace
}

func (c Caller) expand(path string) string {
	return os.Expand(path, func(name string) string {
		switch {
		case name == "UID":
			return strconv.FormatUint(uint64(c.UID), 10)
		case name == "HOME" && c.Env("HOME") == "":
			return c.Home
		}
		return c.Env(name)
	})
}

// files are the configuration files in the order in which they are read, a later one wins: the first main file that is there,
// and then what lies in the drop-in directories, sorted by name. A name counts once, of the last directory that has it.
func (c Caller) files() ([]string, error) {
	override := c.Env("CONTAINERS_STORAGE_CONF_OVERRIDE")
	if only := c.Env("CONTAINERS_STORAGE_CONF"); only != "" {
		return nonEmpty(only, override), nil
	}
	home := cmp.Or(c.Env("XDG_CONFIG_HOME"), filepath.Join(c.Home, ".config"))
	kind := []string{".rootless.conf.d", ".rootless.conf.d/" + strconv.FormatUint(uint64(c.UID), 10)}
	if c.UID == 0 {
		kind = []string{".rootful.conf.d"}
	}
	var files, drops []string
	for _, dir := range []string{c.hostRoot + "/usr/share", c.hostRoot + "/etc", home} {
		stem := filepath.Join(dir, "containers/storage")
		if _, err := os.Stat(stem + ".conf"); err == nil {
			files = []string{stem + ".conf"}
		}
		drops = append(drops, stem+".conf.d")
		for _, k := range kind {
			if dir != home {
				drops = append(drops, stem+k)
			}
		}
	}
	more, err := dropIns(drops)
	return append(append(files, more...), nonEmpty(override)...), err
}

// dropIns are the files of such directories.
func dropIns(dirs []string) (files []string, err error) {
	byName := map[string]string{}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if !e.IsDir() && strings.HasSuffix(e.Name(), ".conf") {
				byName[e.Name()] = filepath.Join(dir, e.Name())
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		files = append(files, byName[name])
	}
	return files, nil
}

func nonEmpty(list ...string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}
