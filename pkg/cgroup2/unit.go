package cgroup2

import (
	"fmt"
	"hash/fnv"
	"path"
	"strings"
)

// scopeName is the unit for a container and the slice it belongs in. It reads
// linux.cgroupsPath as runc and crun do: SLICE:PREFIX:NAME, where a name that is a
// slice already stays what it is.
func scopeName(w Want, system bool) (slice, unit string, err error) {
	slice, prefix, name := "user.slice", "sandbox", w.ID
	if system {
		slice = "system.slice"
	}
	if w.Parent != "" {
		slice = w.Parent
	}
	if w.Path != "" {
		parts := strings.Split(w.Path, ":")
		if len(parts) != 3 {
			return "", "", fmt.Errorf("linux.cgroupsPath: %q: want SLICE:PREFIX:NAME for systemd", w.Path)
		}
		if parts[0] != "" {
			slice = parts[0]
		}
		prefix, name = parts[1], parts[2]
		if name == "" {
			return "", "", fmt.Errorf("linux.cgroupsPath: %q: the name behind the second colon is missing", w.Path)
		}
	}
	if !strings.HasSuffix(slice, ".slice") || !validUnit(slice) {
		return "", "", fmt.Errorf("cgroup parent %q: want the name of a slice, such as user.slice", slice)
	}
	if strings.HasSuffix(name, ".slice") {
		return "", "", fmt.Errorf("linux.cgroupsPath: %q: a slice holds no process, want the name of a scope", w.Path)
	}
	unit = strings.TrimSuffix(name, ".scope") + ".scope"
	if prefix != "" {
		unit = prefix + "-" + unit
	}
	if !validUnit(unit) {
		return "", "", fmt.Errorf("%q is no name for a unit of systemd: letters, digits and :-_.\\ only, at most 255", unit)
	}
	return slice, unit, nil
}

// sliceDir is where a slice lies below the manager's own group: each "-" in its name is one
// more level (systemd.slice(5)).
func sliceDir(slice string) string {
	name := strings.TrimSuffix(slice, ".slice")
	if name == "-" {
		return ""
	}
	dir := ""
	for i, c := range name + "-" {
		if c == '-' {
			dir = path.Join(dir, name[:i]+".slice")
		}
	}
	return dir
}

// validUnit: systemd.unit(5). "@" would make it an instance of a template.
func validUnit(name string) bool {
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte(":-_.\\", c) >= 0:
		default:
			return false
		}
	}
	return name != "" && len(name) < 256 && name[0] != '.'
}

// systemdEscape makes what a container id may hold and a unit name may not ("+")
// part of one (systemd-escape(1)).
func systemdEscape(id string) string { return strings.ReplaceAll(id, "+", `\x2b`) }

// short is an id that fits into the name of a unit, which has 255 bytes at most: of a
// longer one a part, and a sum of it all.
func short(id string) string {
	const most = 200
	if len(id) <= most {
		return id
	}
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(id)) // never fails
	return fmt.Sprintf("%s-%x", id[:most], sum.Sum64())
}

// directory is the path of a group that is a directory: linux.cgroupsPath, absolute
// in the hierarchy or relative to where we may make groups; else a name of its own
// there.
func (h Host) directory(w Want) (string, error) {
	if path.IsAbs(w.Path) {
		return clean(w.Path)
	}
	name := w.Path
	if name == "" {
		name = short(w.ID) // as runc's
	}
	// Relative to the parent is below it, whatever ".." is in there; and not the
	// parent itself, which is somebody else's.
	below, err := clean("/" + name)
	if err != nil {
		return "", err
	}
	if w.Parent != "" {
		return clean(path.Join("/", w.Parent, below))
	}
	base, err := h.base()
	if err != nil {
		return "", err
	}
	return clean(path.Join(base, below))
}

func clean(p string) (string, error) {
	if strings.ContainsAny(p, "\x00\n") || path.Clean(p) == "/" {
		return "", fmt.Errorf("linux.cgroupsPath: %q is no name for a cgroup", p)
	}
	return path.Clean(p), nil
}

// base is the group below which ours are made: beside our own where we may, for a
// group with processes in it passes no controllers on (cgroup-v2.rst, "No Internal
// Process Constraint"); else below our own.
func (h Host) base() (string, error) {
	own, err := h.own()
	if err != nil {
		return "", err
	}
	for _, p := range []string{path.Dir(own), own} {
		if h.Group(p).writable() {
			return p, nil
		}
	}
	return "", fmt.Errorf("%w: our group is %s", ErrNotOurs, own)
}
