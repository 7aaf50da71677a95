package cgroup2

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Split parts the writes that this group can take from those whose controller it
// has not been given.
func (g Group) Split(writes []Write) (can, missing []Write, err error) {
	if len(writes) == 0 {
		return nil, nil, nil
	}
	have, err := g.Controllers()
	if err != nil {
		return nil, nil, err
	}
	for _, w := range writes {
		if c := w.Controller(); c == "cgroup" || slices.Contains(have, c) {
			can = append(can, w)
		} else {
			missing = append(missing, w)
		}
	}
	return can, missing, nil
}

// Controllers are those that the group can limit and count with.
func (g Group) Controllers() ([]string, error) {
	b, err := readFile(g.file("cgroup.controllers"))
	if err != nil {
		return nil, fmt.Errorf("look at the controllers of cgroup %s: %w", g.Path, err)
	}
	return strings.Fields(string(b)), nil
}

// Apply writes them in order.
func (g Group) Apply(writes []Write) error {
	for _, w := range writes {
		err := g.put(w.File, w.Value)
		if errors.Is(err, unix.ENOENT) && w.Instead != "" && unix.Access(g.file(w.Instead), unix.F_OK) == nil {
			continue
		}
		if err != nil && !w.Lenient {
			return g.refused(w, err)
		}
		if err := g.holds(w); err != nil {
			return err
		}
	}
	return nil
}

// holds asks whether a set of processors or memory nodes has come to be. The kernel
// takes any, and one of which the group above has nothing means all that that has
// (cgroup-v2.rst, "cpuset.cpus").
func (g Group) holds(w Write) error {
	if w.File != "cpuset.cpus" && w.File != "cpuset.mems" {
		return nil
	}
	b, err := readFile(g.file(w.File + ".effective"))
	if err != nil {
		return nil //nolint:nilerr // it was written
	}
	have := strings.TrimSpace(string(b))
	if !overlap(w.Value, have) {
		return fmt.Errorf("%s: of %s there is nothing here, only %s", w.Field, w.Value, have)
	}
	return nil
}

// overlap says whether two lists of numbers such as "0-3,8" have one in common.
func overlap(a, b string) bool {
	in := map[uint64]bool{}
	for n := range numbers(a) {
		in[n] = true
	}
	for n := range numbers(b) {
		if in[n] {
			return true
		}
	}
	return false
}

func (g Group) refused(w Write, err error) error {
	why := ""
	switch {
	case errors.Is(err, unix.ENOENT):
		why = ": this kernel has no such file"
	case errors.Is(err, unix.EBUSY) && strings.HasPrefix(w.File, "memory."):
		why = ": more is in use, and cannot be freed"
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ERANGE), errors.Is(err, unix.ENODEV):
		why = ": the host has no such value to give"
	}
	return fmt.Errorf("%s: write %q to %s of cgroup %s: %w%s", w.Field, w.Value, w.File, g.Path, err, why)
}
