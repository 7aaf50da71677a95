package network

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/handle"
	"sandbox/pkg/idmap"
	"sandbox/pkg/world"
)

// TestPlaceFor: where the start can make a place for a file, and where not. Who
// may write is not asked here, for root may everywhere.
func TestPlaceFor(t *testing.T) {
	root, volume := t.TempDir(), t.TempDir()
	for _, dir := range []string{"etc", "dir/resolv.conf"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"etc/away": "../run/x/y", "etc/out": "../../../../../nowhere/x", "etc/abs": "/nowhere/y", "etc/loop": "loop", "gone": "/etc2",
		"etc/proc": "/proc/x", "etc/vol": "/vol/sub/x", "etc/ro": "/ro/x",
	} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	s := &specs.Spec{Root: &specs.Root{Path: root}, Linux: &specs.Linux{}, Mounts: []specs.Mount{
		{Destination: "/proc", Type: "proc"},
		{Destination: "/tmp", Type: "tmpfs"},
		{Destination: "/vol", Type: "bind", Source: volume},
		{Destination: "/ro", Type: "bind", Source: volume, Options: []string{"rbind", "ro"}},
	}}
	for name, want := range map[string]string{
		"/etc/resolv.conf": "", "/etc/away": "", "/etc/out": "", "/etc/abs": "", "/gone/resolv.conf": "", "/none/at/all": "",
		"/tmp/x": "", "/etc/vol": "",
		"/dir/resolv.conf": "is a directory",
		"/etc/loop":        "too many levels",
		"/etc/proc":        "it would be in the proc of /proc",
		"/etc/ro":          "it is missing, and /ro is read-only",
	} {
		err := placeFor(s, handle.Set{}, "", name)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func TestPingers(t *testing.T) {
	for _, tt := range []struct {
		gid     uint32
		extents []idmap.Extent
		want    string
	}{
		{0, []idmap.Extent{{Container: 0, Host: 1000, Size: 1}}, "0 0"},
		{1000, []idmap.Extent{{Container: 1001, Host: 101000, Size: 64535}, {Container: 1000, Host: 1000, Size: 1}, {Container: 0, Host: 100000, Size: 1000}}, "0 65535"},
		{5, []idmap.Extent{{Container: 5, Host: 5, Size: 1}, {Container: 7, Host: 7, Size: 9}}, "5 5"},
	} {
		s := &specs.Spec{Process: &specs.Process{User: specs.User{GID: tt.gid}}, Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.UserNamespace}}}}
		in := &world.World{IDs: idmap.Map{GIDs: tt.extents}}
		in.NS.Fresh = ^uintptr(0)
		if got := pingers(s, in); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.extents, got, tt.want)
		}
	}
}
