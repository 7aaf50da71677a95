package kernel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestViews(t *testing.T) {
	h := fakeHost(t, map[string]string{"proc/self/mountinfo": `20 1 8:1 / / rw - ext4 /dev/a rw
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
`}).Table()
	for paths, want := range map[string]string{
		"/home":           "/srv/h /srv/src",
		"/home/ann":       "/srv/h/ann /srv/src",
		"/home/ann/src/x": "/srv/h/ann/src/x /srv/src/x",
		"/root":           "/mnt/root/root",
		"/var":            "/mnt/root/var /mnt/log",
		"/data here/ann":  "/opt/ann",
		"/home /root":     "/srv/h /srv/src /mnt/root/root",
	} {
		var list []string
		for p := range strings.SplitSeq(paths, " /") {
			list = append(list, "/"+strings.TrimPrefix(p, "/"))
		}
		if got := strings.Join(h.Views(list), " "); got != want {
			t.Errorf("%s: %q, want %q", paths, got, want)
		}
	}
	if got := strings.Join(h.KernelMounts("/home/ann"), " "); got != "/home/ann/jail/proc /home/ann/jail/sys" {
		t.Errorf("kernel's mounts: %s", got)
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
