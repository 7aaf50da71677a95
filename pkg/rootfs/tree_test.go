package rootfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// printed is the whole plan of a tree: as a person reads it.
func printed(t *testing.T, s *specs.Spec, f Facts) string {
	t.Helper()
	if s.Root == nil {
		s.Root = &specs.Root{Path: "/root-of-it"}
	}
	f.NewMount = true
	tree, err := New(s, f)
	if err != nil {
		t.Fatal(err)
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
	return b.String()
}

func mounts(list ...specs.Mount) *specs.Spec {
	return &specs.Spec{Mounts: list, Linux: &specs.Linux{}}
}

func bindOf(options ...string) *specs.Spec {
	return mounts(specs.Mount{Destination: "/d", Source: "/", Options: append([]string{"bind"}, options...)})
}

// TestOptions shows which steps an option makes.
func TestOptions(t *testing.T) {
	tmpfs := func(options ...string) *specs.Spec {
		return mounts(specs.Mount{Destination: "/d", Type: "tmpfs", Options: options})
	}
	for _, tt := range []struct {
		name string
		spec *specs.Spec
		want []string
		not  string
	}{
		{"ro", bindOf("ro", "nosuid"), []string{`AT_EMPTY_PATH, {set MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOSUID}, 32)`}, "locked"},
		{"the last word", bindOf("ro", "rw"), []string{`{set 0, clear MOUNT_ATTR_RDONLY}, 32)   EPERM → step`, `note "mount.locked:/d"`}, ""},
		{"recursive", bindOf("rro", "rnoatime"), []string{`AT_RECURSIVE|AT_EMPTY_PATH, {set MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOATIME, clear`}, ""},
		{"rbind", bindOf("rbind"), []string{`open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_RECURSIVE)`}, ""},
		{"propagation", bindOf("slave", "rshared"), []string{`AT_EMPTY_PATH, {set 0, MS_SLAVE}`, `AT_RECURSIVE|AT_EMPTY_PATH, {set 0, MS_SHARED}`}, ""},
		{"tmpfs", tmpfs("size=10%", "nr_inodes=7", "mode=0700", "uid=3", "huge=always", "rro", "sync"), []string{
			`"size", "10%"`, `"nr_inodes", "7"`, `"mode", "0700"`, `"uid", "3"`, `"huge", "always"`, `FSCONFIG_SET_FLAG, "sync"`, `1, MOUNT_ATTR_RDONLY)`,
		}, `FSCONFIG_SET_FLAG, "ro"`},
		{"dropped", tmpfs("defaults", "async", "nolazytime", "nomand", "mand", "loud", "silent", "iversion", "noiversion", "acl"), nil, "FSCONFIG_SET_FLAG"},
		{"disk", mounts(specs.Mount{Destination: "/d", Type: "ext4", Source: "/dev/sdz1", Options: []string{"ro", "noacl"}}),
			[]string{`fsopen("ext4"`, `"source", "/dev/sdz1"`, `FSCONFIG_SET_FLAG, "ro"`, `FSCONFIG_SET_FLAG, "noacl"`}, ""},
		{"cgroup", mounts(specs.Mount{Destination: "/d", Type: "cgroup", Options: []string{"memory", "ro"}}), []string{`fsopen("cgroup2"`}, `"memory"`},
		{"proc", mounts(specs.Mount{Destination: "/proc", Type: "proc", Options: []string{"hidepid=2", "subset=pid"}}), []string{`"hidepid", "2"`, `"subset", "pid"`, "O_NOFOLLOW"}, ""},
		{"remount", mounts(specs.Mount{Destination: "/d", Options: []string{"bind", "remount", "ro"}}), []string{"remount /d", `AT_EMPTY_PATH, {set MOUNT_ATTR_RDONLY}`}, "fspick"},
		{"remount of all", mounts(specs.Mount{Destination: "/d", Type: "tmpfs", Options: []string{"remount", "rw", "size=1m"}}), []string{"fspick", `"size", "1m"`, `SET_FLAG, "rw"`, "FSCONFIG_CMD_RECONFIGURE"}, ""},
		{"long lowerdir", mounts(specs.Mount{Destination: "/d", Type: "overlay", Options: []string{"lowerdir=/" + strings.Repeat("a", 200) + ":/" + strings.Repeat("b", 200) + `\:c`}}),
			[]string{`"lowerdir+", "/aaaa`, `b:c"`}, `"lowerdir",`},
		{"nothing below two layers", mounts(specs.Mount{Destination: "/d", Type: "overlay", Options: []string{"lowerdir=/a:/b"}}), []string{`"lowerdir", "/a:/b"`}, "upperdir"},
	} {
		got := printed(t, tt.spec, Facts{})
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %s in\n%s", tt.name, want, got)
			}
		}
		if tt.not != "" && strings.Contains(got, tt.not) {
			t.Errorf("%s: %s in\n%s", tt.name, tt.not, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	ids := []specs.LinuxIDMapping{{Size: 1}}
	denied := func([]specs.LinuxIDMapping, []specs.LinuxIDMapping, string) (int, error) { return -1, unix.EPERM }
	for want, s := range map[string]*specs.Spec{
		`mounts[0] (/d): option "size=1": unknown for a bind mount`:                           bindOf("size=1"),
		`mounts[0] (/d): option "mode=1": unknown for a bind mount`:                           bindOf("mode=1"),
		`mounts[0] (/d): type: missing`:                                                       mounts(specs.Mount{Destination: "/d"}),
		`mounts[0] (/d): source: missing for a bind mount`:                                    mounts(specs.Mount{Destination: "/d", Type: "bind"}),
		`mounts[0] (/d): option "tmpcopyup": only a tmpfs can`:                                bindOf("tmpcopyup"),
		`mounts[0] (/d): uidMappings and gidMappings: one needs the other`:                    mounts(specs.Mount{Destination: "/d", Type: "tmpfs", GIDMappings: ids}),
		`mounts[0] (/d): uidMappings: operation not permitted`:                                mounts(specs.Mount{Destination: "/d", Type: "tmpfs", UIDMappings: ids, GIDMappings: ids}),
		`mounts[0] (/d): option "idmap": operation not permitted`:                             bindOf("idmap"),
		`mounts[0] (/d): uidMappings: an overlay that is made here cannot be idmapped`:        mounts(specs.Mount{Destination: "/d", Type: "tmpfs", Options: []string{"tmpcopyup", "idmap"}}),
		`mounts[0] (/d): option "remount": changes a mount`:                                   mounts(specs.Mount{Destination: "/d", Options: []string{"remount", "idmap"}}),
		`mounts[0] (/d): option "size": unknown for a bind mount`:                             mounts(specs.Mount{Destination: "/d", Options: []string{"remount", "bind", "size=1"}}),
		`linux.mountLabel: SELinux is not active on this host`:                                {Linux: &specs.Linux{MountLabel: "a:b:c:s0"}},
		`linux.rootfsPropagation: unknown value "x"`:                                          {Linux: &specs.Linux{RootfsPropagation: "x"}},
		`linux.devices[0].path: /dev is a directory`:                                          {Linux: &specs.Linux{Devices: []specs.LinuxDevice{{Path: "/dev/", Type: "c"}}}},
		`linux.devices[0].path: the host has no node for b 4000:1: no such file or directory`: {Linux: &specs.Linux{Devices: []specs.LinuxDevice{{Path: "/dev/null", Type: "b", Major: 4000, Minor: 1}}}},
	} {
		s.Root = &specs.Root{Path: "/r"}
		if _, err := New(s, Facts{NewMount: true, IDMap: denied}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestIDMap maps in the parent where it copies, in the child else.
func TestIDMap(t *testing.T) {
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1}}
	var copies []Copy
	f := Facts{IDMap: func(uids, _ []specs.LinuxIDMapping, source string) (int, error) {
		if len(uids) != 1 || source != "/" {
			t.Errorf("asked for %v of %q", uids, source)
		}
		return 9, nil
	}}
	s := bindOf("ridmap", "rbind")
	s.Mounts[0].UIDMappings, s.Mounts[0].GIDMappings = ids, ids
	if got := printed(t, s, f); !strings.Contains(got, `mount_setattr($copy2, "", AT_RECURSIVE|AT_EMPTY_PATH, {set MOUNT_ATTR_IDMAP of fd 9}, 32)`) {
		t.Errorf("the child does not map in\n%s", got)
	}
	f.Clone = func(c Copy) (int, error) { copies = append(copies, c); return 50 + len(copies), nil }
	got := printed(t, s, f)
	if len(copies) > 1 && copies[1].Of != nil && copies[1].Of.Path == "/" {
		copies[1].Of = nil
	}
	if strings.Contains(got, "IDMAP") || len(copies) < 2 || copies[1] != (Copy{Path: "/", Recursive: true, IDs: 9, MapBelow: true}) {
		t.Errorf("copies %+v in\n%s", copies, got)
	}
	// A copy of the child's own comes first, for the flags that are locked in it.
	if !strings.Contains(got, "$copy = open_tree(AT_FDCWD, \"/root-of-it\", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_RECURSIVE)   EACCES") || !strings.Contains(got, "$copy = 51") {
		t.Errorf("the root's copy in\n%s", got)
	}
	f.Clone = func(Copy) (int, error) { return -1, unix.EINVAL }
	if got := printed(t, s, f); !strings.Contains(got, "map the owners of /: mounts[0].uidMappings\n") || !strings.Contains(got, "else EINVAL") {
		t.Errorf("the failure of the copy in\n%s", got)
	}
}

func TestOwnMappings(t *testing.T) {
	var uids, gids []specs.LinuxIDMapping
	f := Facts{IDMap: func(u, g []specs.LinuxIDMapping, _ string) (int, error) { uids, gids = u, g; return 9, nil }}
	got := printed(t, bindOf("idmap=uids=0-1000-1#5-7-2;gids=0-3-4"), f)
	if len(uids) != 2 || uids[1] != (specs.LinuxIDMapping{ContainerID: 5, HostID: 7, Size: 2}) || len(gids) != 1 || !strings.Contains(got, "MOUNT_ATTR_IDMAP of fd 9") {
		t.Errorf("uids %v, gids %v in\n%s", uids, gids, got)
	}
	for _, bad := range []string{"idmap=x", "idmap=uids=1-2", "idmap=uids=@0-1-1;gids=@0-1-1", "ridmap=uids=0-1-1", "idmap=uids=0-1-1-1;gids=0-1-1x"} {
		s := bindOf(bad)
		s.Root = &specs.Root{Path: "/r"}
		if _, err := New(s, f); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestLabel(t *testing.T) {
	s := mounts(specs.Mount{Destination: "/a", Type: "tmpfs"}, specs.Mount{Destination: "/b", Type: "proc"},
		specs.Mount{Destination: "/c", Type: "tmpfs", Options: []string{"context=x:y:z:s0"}})
	s.Linux.MountLabel, s.Linux.MaskedPaths = "a:b:c:s0:c1,c2", []string{"/m"}
	got := printed(t, s, Facts{SELinux: true})
	if strings.Count(got, `"context", "a:b:c:s0:c1,c2"`) != 2 || strings.Count(got, `"context", "x:y:z:s0"`) != 1 {
		t.Errorf("the tmpfs and the mask have the label, and nothing else:\n%s", got)
	}
}

func TestRootfsPropagation(t *testing.T) {
	for word, want := range map[string][]string{
		"":         {`mount(0, "/", 0, MS_SLAVE|MS_REC, 0)`},
		"rprivate": {`mount(0, "/", 0, MS_PRIVATE|MS_REC, 0)`},
		"slave":    {`mount(0, "/", 0, MS_SLAVE|MS_REC, 0)`, `mount(0, "/", 0, MS_SLAVE, 0)`},
		"shared":   {`mount(0, "/", 0, MS_SHARED|MS_REC, 0)`, `{set 0, MS_PRIVATE}`, `mount_setattr($old_root, "", AT_RECURSIVE|AT_EMPTY_PATH, {set 0, MS_SLAVE}`},
	} {
		got := printed(t, &specs.Spec{Linux: &specs.Linux{RootfsPropagation: word}}, Facts{})
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: no %s in\n%s", word, w, got)
			}
		}
	}
}

// TestLosses: what the container does not get is known before the fork.
func TestLosses(t *testing.T) {
	mode := os.FileMode(0o600)
	s := mounts(specs.Mount{Destination: "/pts", Type: "devpts", Options: []string{"gid=5"}})
	s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/other", Type: "c", Major: 1, Minor: 3, FileMode: &mode}}
	s.Root = &specs.Root{Path: "/r"}
	tree, err := New(s, Facts{NewMount: true, MapsGID: func(uint32) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{kernel.FeatTerminal, kernel.FeatDevices} {
		if o, ok := tree.Losses().Of(f); !ok || o.Result != kernel.Degraded {
			t.Errorf("%s: %+v", f, o)
		}
	}
	if n := tree.nodes[len(tree.nodes)-1]; n.host != "/dev/null" {
		t.Errorf("the host's node is %q", n.host)
	}
}

// TestOwnedDevice: a node is given away only once it is known to be that device, for its name may lie where others write.
func TestOwnedDevice(t *testing.T) {
	uid := uint32(7)
	s := mounts()
	s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/other", Type: "c", Major: 1, Minor: 3, UID: &uid}}
	_, made, _ := strings.Cut(printed(t, s, Facts{Mknod: true}), `"other", `)
	compared, _, given := strings.Cut(made, "fchownat(")
	if !given || !strings.Contains(compared, "statx(") {
		t.Errorf("after mknod:\n%s", made)
	}
}

func TestResolve(t *testing.T) {
	root, volume := t.TempDir(), t.TempDir()
	for name, target := range map[string]string{
		"abs": "/run/x", "up": "../../../../etc", "far": "a/b", "chain": "far/../abs", "loop": "loop", "vol": "/volume/in",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("../../abs", filepath.Join(volume, "in")), os.Mkdir(filepath.Join(root, "dir"), 0o700)); err != nil {
		t.Fatal(err)
	}
	var l links
	l.add("", root)
	l.add("dev", "")
	l.add("volume", volume)
	for name, want := range map[string]string{
		"abs": "run/x", "abs/y": "run/x/y", "up/z": "etc/z", "far/far": "a/b/far", "chain/c": "a/abs/c",
		"loop/x": "loop/x", "dir/new/../abs": "dir/abs", "dev/abs": "dev/abs", "vol/q": "run/x/q", "dir/../..": ".", "none/abs": "none/abs",
	} {
		if got := l.resolve(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func FuzzResolve(f *testing.F) {
	root := f.TempDir()
	for name, target := range map[string]string{"a": "/b/c", "b": "..", "c": "a/./../b", "d": "d"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			f.Fatal(err)
		}
	}
	f.Add("a/b/c/d")
	f.Add("../b/../../a//.")
	f.Fuzz(func(t *testing.T, name string) {
		var l links
		l.add("", root)
		got := l.resolve(inside(name))
		if got == "" || filepath.IsAbs(got) || got == ".." || strings.HasPrefix(got, "../") {
			t.Errorf("%q: %q", name, got)
		}
	})
}

// TestLinksOfDev: what is not there gets no link.
func TestLinksOfDev(t *testing.T) {
	for _, kcore := range []bool{true, false} {
		got := strings.Contains(printed(t, mounts(), Facts{Kcore: kcore}), `symlinkat("/proc/kcore", `)
		if got != kcore {
			t.Errorf("with kcore %v: link %v", kcore, got)
		}
	}
}

// TestHidesTheHost: without pivot every whole procfs and sysfs of the caller's goes, those on top first, but for what is
// the container's own by then.
func TestHidesTheHost(t *testing.T) {
	s := mounts()
	s.Root = &specs.Root{Path: "/root-of-it"}
	tree, err := New(s, Facts{NewMount: true, Whole: func() []string {
		return []string{"/proc", "/sys", "/root-of-it/proc", "/root-of-it2/proc", "/proc"}
	}})
	if err != nil {
		t.Fatal(err)
	}
	p := plan.New()
	tree.Pivot(p, true)
	var b strings.Builder
	if err := p.Print(&b); err != nil {
		t.Fatal(err)
	}
	for text, n := range map[string]int{`umount2("/proc"`: 2, `umount2("/sys"`: 1, `umount2("/root-of-it2/proc"`: 1, `umount2("/root-of-it/proc"`: 0, "hide the host's /proc": 1} {
		if got := strings.Count(b.String(), text); got != n {
			t.Errorf("%d times %s, want %d:\n%s", got, text, n, b.String())
		}
	}
}
