package resctrl

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Host is where the file system is mounted. The zero value is the real one.
type Host struct {
	Root  string             // "" is /sys/fs/resctrl
	Mkdir func(string) error // nil is mkdir(2), upon which the kernel fills the directory
}

// ErrNone means that this host has nothing of the kind.
var ErrNone = errors.New("no resctrl file system is mounted on /sys/fs/resctrl, or this CPU has none; leave the field out")

// Share is a container's place in the file system. Paths are relative to it.
type Share struct {
	Group   string `json:"group"`             // control group; "." is everybody's
	Monitor string `json:"monitor,omitempty"` // monitoring group below it

	lines  []string // to be written to the group's schemata
	groups []string // to be made, the outermost first
	closID bool     // the group's name was given: whoever made it, it stays
}

// Plan decides where the container of that id goes, and only looks
// (config-linux.md, "IntelRdt"). Errors name the field.
func (h Host) Plan(id string, r *specs.LinuxIntelRdt) (*Share, error) {
	if !h.has(".") {
		return nil, fmt.Errorf("linux.intelRdt: %w", ErrNone)
	}
	s := &Share{Group: r.ClosID, closID: r.ClosID != ""}
	switch r.ClosID {
	case "":
		s.Group = id
	case "/":
		s.Group = "."
	}
	if err := h.choose(s, r); err != nil {
		return nil, err
	}
	if r.EnableMonitoring {
		s.Monitor = filepath.Join(s.Group, "mon_groups", id)
		if h.there(s.Monitor) {
			return nil, fmt.Errorf("linux.intelRdt.enableMonitoring: %s exists already", h.path(s.Monitor))
		}
		s.groups = append(s.groups, s.Monitor)
	}
	return s, nil
}

func (h Host) choose(s *Share, r *specs.LinuxIntelRdt) error {
	var schemas []string
	for _, line := range []string{r.L3CacheSchema, r.MemBwSchema} {
		if line != "" {
			schemas = append(schemas, line)
		}
	}
	s.lines = append(schemas, r.Schemata...)
	switch there := h.there(s.Group); {
	case there && !h.has(s.Group):
		return fmt.Errorf("linux.intelRdt.closID: %s is no control group", h.path(s.Group))
	case there && !s.closID:
		return fmt.Errorf("linux.intelRdt: %s exists already; name it as closID to share it", h.path(s.Group))
	case there:
		// What it has is others' too: the old fields are a condition, not a wish.
		s.lines = r.Schemata
		return h.compare(s.Group, schemas)
	case s.closID && len(s.lines) == 0:
		return fmt.Errorf("linux.intelRdt.closID: there is no %s, and no schemata to make it with", h.path(s.Group))
	}
	s.groups = append(s.groups, s.Group)
	return nil
}

func (h Host) compare(group string, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	file, err := os.ReadFile(h.path(group, "schemata"))
	if err != nil {
		return fmt.Errorf("linux.intelRdt.closID: %w", err)
	}
	for _, line := range lines {
		if err := holds(string(file), line); err != nil {
			return fmt.Errorf("linux.intelRdt.closID: %s exists with another schema: %w", h.path(group), err)
		}
	}
	return nil
}

// Own lists the groups that end with the container, the innermost first. It is
// written down before they are made.
func (s *Share) Own() []string {
	return slices.DeleteFunc(s.made(), func(g string) bool { return s.closID && g != s.Monitor })
}

// Make makes the groups and writes what they are to have. After an error
// nothing of them is left.
func (h Host) Make(s *Share) error {
	for i, g := range s.groups {
		if err := h.mkdir(h.path(g)); err != nil {
			s.groups = s.groups[:i]
			h.Undo(s)
			return h.because("linux.intelRdt", err)
		}
	}
	if err := h.Set(s.Group, s.lines); err != nil {
		h.Undo(s)
		return err
	}
	return nil
}

// Set writes lines to a group's schemata, one by one: a resource may be named
// twice, and the last counts.
func (h Host) Set(group string, lines []string) error {
	for _, line := range lines {
		if err := write(h.path(group, "schemata"), line); err != nil {
			return h.because(fmt.Sprintf("linux.intelRdt: schema %q", line), err)
		}
	}
	return nil
}

// Join puts a process in. Those that it makes later are born there.
func (h Host) Join(s *Share, pid int) error {
	for _, g := range []string{s.Group, s.Monitor} { // of another control group the monitor takes nobody
		if g == "" {
			continue
		}
		if err := write(h.path(g, "tasks"), strconv.Itoa(pid)); err != nil {
			return h.because("linux.intelRdt", err)
		}
	}
	return nil
}

// Undo removes what Make has made, of a container that came to nothing.
func (h Host) Undo(s *Share) { h.Remove(s.made()) }

// Remove removes groups. Processes that are still there go to everybody's.
func (h Host) Remove(groups []string) {
	for _, g := range groups {
		if filepath.IsLocal(g) && g != "." {
			_ = unix.Rmdir(h.path(g))
		}
	}
}

// because adds what the kernel says of its last refusal.
func (h Host) because(what string, err error) error {
	said, _ := os.ReadFile(h.path("info", "last_cmd_status"))
	text := strings.TrimSpace(string(said))
	switch {
	case errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s: %w: resctrl is root's; run it as root, or name a closID whose files are yours", what, err)
	case text != "" && text != "ok":
		return fmt.Errorf("%s: %w: %s", what, err, text)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (h Host) path(names ...string) string {
	root := h.Root
	if root == "" {
		root = "/sys/fs/resctrl"
	}
	return filepath.Join(append([]string{root}, names...)...)
}

func (h Host) there(name string) bool {
	_, err := os.Lstat(h.path(name))
	return err == nil
}

// has says whether a directory is a control group.
func (h Host) has(group string) bool { return h.there(filepath.Join(group, "schemata")) }

func (h Host) mkdir(path string) error {
	if h.Mkdir != nil {
		return h.Mkdir(path)
	}
	return os.Mkdir(path, 0o755)
}

func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text + "\n")
	return err
}

// made lists the groups that are ours, the innermost first.
func (s *Share) made() []string {
	made := slices.Clone(s.groups)
	slices.Reverse(made)
	return made
}
