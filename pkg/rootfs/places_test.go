package rootfs

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestPlaces compares what is looked up by directories with what a look at each mount says.
func TestPlaces(t *testing.T) {
	names := []string{"/", "/a", "/a/b", "/a/b/c", "/ab", "/b", "/b/a", "/a/", "/b//a"}
	some := func() string { return names[rand.N(len(names))] }
	for range 3000 {
		tree := &Tree{path: "/r", covers: -1}
		for i := range rand.N(7) {
			m := &mount{index: i, dest: tree.destination(names[1+rand.N(len(names)-1)]), fstype: []string{"", "proc", "tmpfs"}[rand.N(3)], remount: rand.N(5) == 0}
			m.place = inside(m.dest)
			m.source, m.recursive = "/r"+some(), rand.N(2) == 0
			name := inside(strings.TrimPrefix(m.source, "/r"))
			if in, want := tree.inRoot(m), slices.ContainsFunc(tree.mounts, func(e *mount) bool {
				return !e.remount && (within(name, e.place) || m.recursive && within(e.place, name))
			}); (in != "") != want {
				t.Fatalf("%s (recursive %v) in %v: %q", m.source, m.recursive, dests(tree), in)
			}
			if err := tree.places.add(m); err != nil {
				t.Fatal(err)
			}
			tree.mounts = append(tree.mounts, m)
		}
		var there []*mount
		for _, m := range tree.mounts {
			if rand.N(2) == 0 && !m.remount {
				tree.places.there[m.place] = m
				there = append(there, m)
			}
		}
		path := some()
		var shows, holder, bind *mount
		for _, m := range there {
			if m.dest != path && within(inside(path), m.place) {
				shows = m
			}
		}
		for _, m := range tree.mounts {
			if !within(inside(path), m.place) {
				continue
			}
			switch {
			case m.bind():
				bind = m
			}
			switch {
			case m.remount:
			case m.fstype == "proc":
				holder = m
			case holder != nil && within(holder.place, m.place):
				holder = nil
			}
		}
		if got := tree.shows(path); got != shows {
			t.Fatalf("%s is in %v, want %v, of %v", path, got, shows, dests(tree))
		}
		if got, _ := tree.holder(path); got != holder {
			t.Fatalf("%s is held by %v, want %v, of %v", path, got, holder, dests(tree))
		}
		if got := last(tree.places.binds, inside(path)); got != bind {
			t.Fatalf("%s shows %v, want %v, of %v", path, got, bind, dests(tree))
		}
	}
}

func dests(t *Tree) (list []string) {
	for _, m := range t.mounts {
		list = append(list, fmt.Sprintf("%s %s %v", m.fstype, m.dest, m.remount))
	}
	return list
}

// TestMany: eight times as many mounts, masks and devices take some eight times as much of the processor. Were it the square, it
// would be sixty-four.
func TestMany(t *testing.T) {
	const few, times = 2000, 8
	number := func(form string, i int) string { return fmt.Sprintf(form, i) }
	for name, add := range map[string]func(*specs.Spec, int){
		"tmpfs": func(s *specs.Spec, i int) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: number("/t/%d", i), Type: "tmpfs"})
		},
		"bind": func(s *specs.Spec, i int) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: number("/b/%d", i), Source: "/etc", Options: []string{"rbind"}})
		},
		"inner": func(s *specs.Spec, i int) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: number("/i/%d", i), Source: "/root-of-it/t", Options: []string{"rbind"}})
		},
		"overlay": func(s *specs.Spec, i int) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: number("/o/%d", i), Type: "overlay", Options: []string{"lowerdir=/etc"}})
		},
		"remount": func(s *specs.Spec, i int) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/proc", Options: []string{"remount", "ro"}})
		},
		"mask": func(s *specs.Spec, i int) { s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, number("/proc/%d", i)) },
		"readonly": func(s *specs.Spec, i int) {
			s.Linux.ReadonlyPaths = append(s.Linux.ReadonlyPaths, number("/sys/%d", i))
		},
		"device": func(s *specs.Spec, i int) {
			s.Linux.Devices = append(s.Linux.Devices, specs.LinuxDevice{Path: number("/dev/%d", i), Type: "c"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			spent := func(count int) time.Duration {
				s := mounts(specs.Mount{Destination: "/proc", Type: "proc"}, specs.Mount{Destination: "/t", Type: "tmpfs"})
				for i := range count {
					add(s, i)
				}
				begin := processor(t)
				printed(t, s, Facts{Mknod: true})
				return processor(t) - begin
			}
			if some, many := spent(few), spent(few*times); many > 4*times*max(some, 10*time.Millisecond) {
				t.Errorf("%d take %v, %d times as many %v", few, some, times, many)
			}
		})
	}
}

// processor is what the process has used of it, whatever else the machine does.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// TestTooMany: what would take all memory is an error that names the entry.
func TestTooMany(t *testing.T) {
	deep := strings.Repeat("/a", 2000)
	s := mounts()
	s.Root = &specs.Root{Path: "/root-of-it"}
	for range 200 {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: deep, Type: "tmpfs"})
	}
	if _, err := New(s, Facts{NewMount: true}); err == nil || !strings.HasPrefix(err.Error(), "mounts[53].destination: to make") {
		t.Error(err)
	}
	s.Mounts = nil
	for i := range 200 {
		s.Linux.Devices = append(s.Linux.Devices, specs.LinuxDevice{Path: fmt.Sprintf("%s%d", deep, i), Type: "c"})
	}
	if _, err := New(s, Facts{NewMount: true, Mknod: true}); err == nil || !strings.HasPrefix(err.Error(), "linux.devices[53].path: to make") {
		t.Error(err)
	}
}
