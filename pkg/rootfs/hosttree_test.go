package rootfs

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

func usualMounts() []specs.Mount {
	return []specs.Mount{
		{Destination: "/proc", Type: "proc"}, {Destination: "/dev", Type: "tmpfs"}, {Destination: "/dev/pts", Type: "devpts"},
		{Destination: "/dev/shm", Type: "tmpfs"}, {Destination: "/dev/mqueue", Type: "mqueue"}, {Destination: "/sys", Type: "sysfs"},
		{Destination: "/sys/fs/cgroup", Type: "cgroup"},
	}
}

// TestHostTree: without a mount namespace nothing is mounted, and the contract says so.
func TestHostTree(t *testing.T) {
	s := mounts(usualMounts()...)
	s.Root = &specs.Root{Path: "/root-of-it"}
	tree, err := New(s, Facts{})
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := tree.Losses().Of(kernel.FeatMounts); !ok || o.Result != kernel.Degraded {
		t.Errorf("the contract says %+v", o)
	}
	p := plan.New()
	tree.Prepare(p)
	tree.Assemble(p)
	tree.Seal(p)
	tree.Pivot(p, false)
	var b strings.Builder
	if err := p.Print(&b); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); strings.Contains(got, "mount") || !strings.Contains(got, `chroot(".")`) {
		t.Errorf("the plan is\n%s", got)
	}
}

func TestHostTreeRefuses(t *testing.T) {
	for want, edit := range map[string]func(*specs.Spec){
		"mounts[7] (/data)": func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, bindOf().Mounts...)
			s.Mounts[7].Destination = "/data"
		},
		"mounts[7] (/secret)": func(s *specs.Spec) { s.Mounts = append(s.Mounts, specs.Mount{Destination: "/secret", Type: "tmpfs"}) },
		"mounts[7] (/proc/acpi)": func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/proc/acpi", Type: "tmpfs"})
		},
		"linux.maskedPaths":       func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"/proc/kcore"} },
		"linux.readonlyPaths":     func(s *specs.Spec) { s.Linux.ReadonlyPaths = []string{"/proc/sys"} },
		"linux.devices":           func(s *specs.Spec) { s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/null", Type: "c"}} },
		"linux.rootfsPropagation": func(s *specs.Spec) { s.Linux.RootfsPropagation = "private" },
	} {
		s := mounts(usualMounts()...)
		s.Root = &specs.Root{Path: "/r"}
		edit(s)
		if _, err := New(s, Facts{}); err == nil || !strings.HasPrefix(err.Error(), want+": needs a mount namespace") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
