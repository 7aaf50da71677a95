package rootfs

import (
	"fmt"
	"strings"
)

// places answers which mounts lie on the way to a path. It asks each directory on the way and not each mount: a spec may have
// tens of thousands.
type places struct {
	dest  map[string]bool   // where something is mounted, or changed
	at    map[string]*mount // the last that is mounted there,
	inner map[string]bool   // and what is above one of them
	there map[string]*mount // the last that is attached already
	binds map[string]*mount // the last that is a bind

	kernels, others map[string]*mount // the last procfs or sysfs, and the last of anything else

	cost int // of making all the destinations
}

func (m *places) add(of *mount) error {
	if m.at == nil {
		*m = places{
			dest: map[string]bool{}, at: map[string]*mount{}, inner: map[string]bool{}, there: map[string]*mount{},
			binds: map[string]*mount{}, kernels: map[string]*mount{}, others: map[string]*mount{},
		}
	}
	if err := m.pay(of.place); err != nil {
		return err
	}
	m.dest[of.place] = true
	if of.bind() {
		m.binds[of.place] = of
	}
	if of.remount {
		return nil
	}
	m.at[of.place] = of
	for at := up(of.place); at != "." && !m.inner[at]; at = up(at) {
		m.inner[at] = true
	}
	switch {
	case of.link != "":
	case of.fstype == "proc" || of.fstype == "sysfs":
		m.kernels[of.place] = of
	default:
		m.others[of.place] = of
	}
	return nil
}

// pay counts what it may take to make a place, and ends where that is too much: each directory on the way is looked up by its
// whole name (see make).
func (m *places) pay(place string) error {
	const step, most = 512, 256 << 20 // bytes of the plan
	deep := strings.Count(place, "/") + 1
	if m.cost += deep * (step + len(place)/2); m.cost > most {
		return fmt.Errorf("to make this place and those before it takes more than %d MiB of steps: not so many, or not so deep", most>>20)
	}
	return nil
}

// last is the mount that came last of those at a place, as [inside] names it, and above it; nil for none.
func last(of map[string]*mount, place string) (in *mount) {
	for at := place; ; at = up(at) {
		if m := of[at]; m != nil && (in == nil || m.index > in.index) {
			in = m
		}
		if at == "." {
			return in
		}
	}
}

// up is the directory that a place lies in; "." is the root, and in itself.
func up(place string) string {
	if i := strings.LastIndexByte(place, '/'); i >= 0 {
		return place[:i]
	}
	return "."
}
