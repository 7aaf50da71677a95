package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestViews(t *testing.T) {
	table := fakeHost(t, map[string]string{"proc/self/mountinfo": `20 1 8:1 / / rw - ext4 /dev/a rw
21 20 8:2 / /home rw - ext4 /dev/b rw
22 20 8:2 / /srv/h rw - ext4 /dev/b rw
23 20 8:2 /ann/src /srv/src rw - ext4 /dev/b rw
24 20 8:1 / /mnt/root rw - ext4 /dev/a rw
25 20 8:1 /var/log /mnt/log rw - ext4 /dev/a rw
26 20 8:3 /@/ann /opt/ann rw - btrfs /dev/c rw
27 20 8:3 /@ /data\040here rw - btrfs /dev/c rw
28 20 0:9 / /proc rw - proc proc rw
29 21 0:9 / /home/ann/jail/proc rw - proc proc rw
30 21 0:10 / /home/ann/jail/sys rw - sysfs sysfs rw
31 20 8:2 / /srv/under rw - ext4 /dev/b rw
32 31 0:11 / /srv/under rw - tmpfs none rw
33 20 0:10 / /srv/jail/sys rw - sysfs sysfs rw
34 33 0:12 / /srv/jail/sys/fs/cgroup rw - cgroup2 none rw
35 20 0:9 / /srv/over/a/proc rw - proc proc rw
36 20 0:13 / /srv/over rw - tmpfs none rw
37 28 0:14 / /proc/sys/fs/binfmt_misc rw - binfmt_misc none rw
38 24 8:1 /srv/up /mnt/root/srv/up rw - ext4 /dev/a rw
39 38 8:1 /srv/up/git /mnt/root/srv/up/git rw - ext4 /dev/a rw
40 20 8:1 /srv/other /opt/x rw - ext4 /dev/a rw
41 24 8:1 /srv/elsewhere /mnt/root/srv/twice rw - ext4 /dev/a rw
`}).Table()
	for path, want := range map[string]string{
		"/var/lib/x/s.sock": "/mnt/root/var/lib/x/s.sock", "/var/log/s": "/mnt/root/var/log/s /mnt/log/s", "/mnt/log/s": "/var/log/s /mnt/root/var/log/s", "/srv/over/s": "",
	} {
		if got := strings.Join(table.OtherPaths([]string{path}), " "); got != want {
			t.Errorf("%s is also at %q, want %q", path, got, want)
		}
	}
	for homes, want := range map[string]string{
		"/home":            "/srv/h 22 true /srv/src 23 false",
		"/home/ann":        "/srv/h/ann 22 true /srv/src 23 false",
		"/home/ann/src/x":  "/srv/h/ann/src/x 22 true /srv/src/x 23 true",
		"/root":            "/mnt/root/root 24 true",
		"/var":             "/mnt/root/var 24 true /mnt/log 25 false",
		"/data here/ann":   "/opt/ann 26 true",
		"/home /root":      "/srv/h 22 true /srv/src 23 false /mnt/root/root 24 true",
		"/home >/home/ann": "/srv/h 22 true", // what lies in what is shared is shared
		"/srv/up/git/x":    "/mnt/root/srv/up/git/x 39 true",
		"/nowhere?":        "",                  // on a mount that is not in the table
		"/srv/h!/home/ann": "/home/ann 0 false", // renamed since
	} {
		homes, shared, _ := strings.Cut(homes, " >")
		var list []Place
		for p := range strings.SplitSeq(homes, " /") {
			path := "/" + strings.TrimPrefix(p, "/")
			place := Place{Path: path, Mount: uint64(table.at(path).id)}
			if on, really, ok := strings.Cut(path, "!"); ok {
				place = Place{Path: really, Mount: uint64(table.at(on).id)}
			}
			if strings.HasSuffix(path, "?") {
				place.Mount = 99
			}
			list = append(list, place)
		}
		cwd := Place{}
		if shared != "" {
			cwd = Place{Path: shared, Mount: uint64(table.at(shared).id)}
		}
		places, _ := table.Views(list, cwd)
		var got []string
		for _, p := range places {
			got = append(got, fmt.Sprint(p.Path, " ", p.Mount, " ", p.Whole))
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s: %q, want %q", homes, got, want)
		}
	}
	for home, want := range map[string]string{"/srv/up/git/x": "", "/srv/twice/y": "/mnt/root/srv/twice"} {
		if _, over := table.Views([]Place{{Path: home, Mount: 20}}, Place{}); strings.Join(over, " ") != want {
			t.Errorf("what lies over views of %s: %s", home, over)
		}
	}
	if _, over := table.Views([]Place{{Path: "/home/ann", Mount: 21}}, Place{}); len(over) != 0 {
		t.Errorf("what lies over a view: %s", over)
	}
	if places, _ := table.Views([]Place{{Path: "/home/ann", Mount: 21}}, Place{Path: "/nowhere", Mount: 22}); len(places) != 1 || places[0].Mount != 0 {
		t.Errorf("the working directory was renamed: %v", places)
	}
	if below := table.Below("/home"); len(below) != 0 {
		t.Errorf("below /home: %v", below)
	}
	if below := table.Below("/srv"); !slices.Equal(below, []Place{{Path: "/srv/h", Mount: 22}, {Path: "/srv/src", Mount: 23}}) {
		t.Errorf("below /srv: %v", below)
	}
	places, over := table.Kernels()
	if want := []Place{{Path: "/home/ann/jail/proc", Mount: 29}, {Path: "/home/ann/jail/sys", Mount: 30}, {Path: "/srv/jail/sys", Mount: 33}}; !slices.Equal(places, want) || !slices.Equal(over, []string{"/srv/over"}) {
		t.Errorf("kernel's mounts: %v, %v", places, over)
	}
	if table.Plain() {
		t.Error("that is not plain")
	}
	table.host.Proc = t.TempDir()
	if table.Again(); len(table.mounts) != 0 || !table.Plain() {
		t.Error("it was not read again")
	}
	// a chroot, whose root is no mount
	table = fakeHost(t, map[string]string{"proc/self/mountinfo": "40 20 8:1 / /a rw - ext4 /dev/a rw\n41 40 0:9 / /a/proc rw - proc proc rw\n"}).Table()
	if table.at("/b") != nil || table.at("/a/b").id != 40 || table.at("/a/proc/1").id != 41 {
		t.Error("in a chroot")
	}
}

func TestSockets(t *testing.T) {
	h := fakeHost(t, map[string]string{"proc/net/unix": `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01   812 /run/docker.sock
0000000000000000: 00000003 00000000 00000000 0001 03   813 /run/docker.sock
0000000000000000: 00000002 00000000 00010000 0005 01 81234567 /opt/a b/c d
0000000000000000: 00000002 00000000 00000000 0002 01    14 /run/log
0000000000000000: 00000002 00000000 00000000 0001 01    15 /bound/only
0000000000000000: 00000002 00000000 00010000 0001 01    16 @/abstract
0000000000000000: 00000002 00000000 00010000 0001 01    17 relative/sock
0000000000000000: 00000003 00000000 00000000 0001 03    18
garbage
`})
	if got := strings.Join(h.Sockets(), "|"); got != "/run/docker.sock|/opt/a b/c d|/run/log" {
		t.Errorf("got %s", got)
	}
	if err := os.Remove(filepath.Join(h.Proc, "net/unix")); err != nil || h.Sockets() != nil {
		t.Error("sockets of nowhere", err)
	}
}
