package rootfs

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestHolder: what a mask is looked up from.
func TestHolder(t *testing.T) {
	proc, sys := specs.Mount{Destination: "/proc", Type: "proc"}, specs.Mount{Destination: "/sys/", Type: "sysfs"}
	over := func(dest string) specs.Mount { return specs.Mount{Destination: dest, Type: "tmpfs"} }
	for _, tt := range []struct {
		mounts []specs.Mount
		path   string
		in     int
		name   string
	}{
		{[]specs.Mount{proc, sys}, "/proc/kcore", 0, "kcore"},
		{[]specs.Mount{proc, sys}, "/sys//fs/../firmware", 1, "firmware"},
		{[]specs.Mount{proc, sys}, "/proc/", 0, "."},
		{[]specs.Mount{proc, sys}, "/process", -1, "process"},
		{[]specs.Mount{proc, proc}, "/proc/keys", 1, "keys"},
		{[]specs.Mount{proc, over("/proc/scsi")}, "/proc/scsi/x", 0, "scsi/x"},
		{[]specs.Mount{proc, over("/proc")}, "/proc/keys", -1, "proc/keys"},
		{[]specs.Mount{over("/proc"), proc}, "/proc/keys", 1, "keys"},
		{[]specs.Mount{{Destination: "/a/proc", Type: "proc"}, over("/a")}, "/a/proc/keys", -1, "a/proc/keys"},
		{[]specs.Mount{proc}, "/etc/shadow", -1, "etc/shadow"},
	} {
		s := mounts(tt.mounts...)
		s.Root = &specs.Root{Path: "/r"}
		tree, err := New(s, Facts{NewMount: true})
		if err != nil {
			t.Fatal(err)
		}
		in, name := tree.holder(tt.path)
		at := -1
		for i, m := range tree.mounts {
			if m == in {
				at = i
			}
		}
		if at != tt.in || name != tt.name {
			t.Errorf("%s in %v: %s of mount %d, want %s of %d", tt.path, tt.mounts, name, at, tt.name, tt.in)
		}
	}
}

// TestMaskOfAMount: a procfs that is made read-only as a whole hides the one
// it was; what comes next must be looked up in the new one.
func TestMaskOfAMount(t *testing.T) {
	s := mounts(specs.Mount{Destination: "/proc", Type: "proc"})
	s.Linux.ReadonlyPaths, s.Linux.MaskedPaths = []string{"/proc"}, []string{"/proc/kcore", "/proc"}
	got := printed(t, s, Facts{Mknod: true})
	for _, want := range []string{
		`$copy2 = open_tree($proc, ""`, `move_mount($copy2, "", $proc, ""`, `openat2($copy2, "kcore"`, `move_mount($empty_directory2, "", $copy2, ""`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

// TestMaskGone: what is removed between the look at it and its mask ends no start.
func TestMaskGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s := mounts(specs.Mount{Destination: "/", Source: "/", Options: []string{"rbind"}})
	s.Linux.MaskedPaths = []string{path, "/etc/shadow"}
	_, got, _ := strings.Cut(printed(t, s, Facts{}), "\nmask ")
	for _, line := range strings.Split(got, "\n") {
		if strings.Contains(line, "move_mount($mask") || strings.Contains(line, "move_mount($null_copy") {
			if !strings.Contains(line, "ENOENT → next") {
				t.Error(line)
			}
		}
	}
	if strings.Count(got, "ENOENT → next") < 2 {
		t.Error(got)
	}
}
