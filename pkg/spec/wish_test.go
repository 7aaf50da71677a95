package spec

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// fakeHost is a folder that looks like a host, as far as wishes look at one.
func fakeHost(t testing.TB) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"tmp/x", "var/tmp", "run/user/1000", "home/ann/src", "home/bob", "srv/data:1", "sys/fs/cgroup", "srv/up", "srv/work", "usr/sbin", "proc", "sys", "dev/snd", "etc",
		"img/etc", "img/srv", "img/tmp", "img/run", "img/full"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"etc/passwd":       "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n",
		"etc/hosts":        "127.0.0.1 localhost\n",
		"run/resolv.conf":  "nameserver 127.0.0.53\n",
		"img/etc/passwd":   "root:x:0:0:root:/root:/bin/sh\nbad line\nweb:x:33:34:www:/srv/web:/bin/false\n",
		"img/etc/group":    "root:x:0:\nwww:x:34:\nlog:x:4:web,other\nlog2:x:44:web\n",
		"img/full/file":    "",
		"srv/env":          "# comment\nA=1\n",
		"srv/seccomp.json": `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"ENOSYS","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}`,
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"var/run": "../run", "etc/resolv.conf": "../run/resolv.conf", "home/link": "ann"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func ann() Caller {
	return Caller{UID: 1000, GID: 1000, Groups: []uint32{27, 1000}, Name: "ann", Home: "/home/ann", PasswdHome: "/home/ann", Cwd: "/home/ann/src",
		Env: []string{"PATH=/bin", "HOME=/home/ann", "PWD=/home/ann/src", "TMPDIR=/tmp/x", "SSH_AUTH_SOCK=/tmp/x/agent", "XDG_RUNTIME_DIR=/run/user/1000", "LC_ALL=C", "LC_TIME=C", "broken"}}
}

func one(container, host uint32) []specs.LinuxIDMapping {
	return []specs.LinuxIDMapping{{ContainerID: container, HostID: host, Size: 1}}
}

// kept maps ann to herself, rooted to root, many to root and 65536 more.
func kept() IDs   { return IDs{UID: one(1000, 1000), GID: one(1000, 1000)} }
func rooted() IDs { return IDs{UID: one(0, 1000), GID: one(0, 1000)} }

func many() IDs {
	m := append(one(0, 1000), specs.LinuxIDMapping{ContainerID: 1, HostID: 100000, Size: 65536})
	return IDs{UID: m, GID: m}
}

func TestWishGolden(t *testing.T) {
	at := func(cwd string) Caller { c := ann(); c.Cwd = cwd; return c }
	root := Caller{Home: "/root", PasswdHome: "/root", Cwd: "/srv"}
	tests := []struct {
		name   string
		wish   Wish
		caller Caller
		ids    IDs
	}{
		{"tree-plain", Wish{Tree: true, Args: []string{"make"}}, ann(), kept()},
		{"tree-cow", Wish{Tree: true, Cow: true, Args: []string{"make"}}, at("/srv/data:1"), kept()},
		{"tree-home", Wish{Tree: true}, at("/home/ann"), kept()},
		{"tree-above-home", Wish{Tree: true}, at("/home"), kept()},
		{"tree-slash", Wish{Tree: true}, at("/"), kept()},
		{"tree-tmp", Wish{Tree: true}, at("/tmp/x"), kept()},
		{"tree-var", Wish{Tree: true}, at("/var"), kept()},
		{"tree-network-host", Wish{Tree: true, Network: "host", UTS: "host", PID: "host", IPC: "host"}, ann(), kept()},
		{"tree-root", Wish{Tree: true}, root, IDs{}},
		{"tree-many", Wish{Tree: true, Volumes: []string{"/srv", "./x:/x:ro"}, Init: true}, at("/home/ann/src"), many()},
		{"rootfs-plain", Wish{Rootfs: "/img", Args: []string{"ls", "-l"}}, ann(), rooted()},
		{"rootfs-name", Wish{Rootfs: "/img", User: "web", Terminal: true, Workdir: "/srv"}, ann(), many()},
		{"rootfs-read-only", Wish{Rootfs: "img", ReadOnly: true, Tmpfs: []string{"/full", "/etc/x:size=1m,exec"}}, at("/"), many()},
		{"rootfs-init", Wish{Rootfs: "/img", Init: true, Args: []string{"top"}}, ann(), many()},
		{"rootfs-network-host", Wish{Rootfs: "/img", Network: "host", Cow: true}, root, IDs{}},
		{"rootfs-keep-id", Wish{Rootfs: "/img", Userns: "keep-id", GroupAdd: []string{"log"}}, ann(), IDs{UID: append(one(1000, 1000), specs.LinuxIDMapping{HostID: 100000, Size: 1000}), GID: append(one(1000, 1000), specs.LinuxIDMapping{HostID: 100000, Size: 1000})}},
	}
	host := fakeHost(t)
	if err := os.Mkdir(filepath.Join(host, "home/ann/src/x"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.wish.hostRoot = host
			s, notices, err := tt.wish.Spec(tt.caller, tt.ids)
			if err != nil {
				t.Fatal(err)
			}
			checked := *s
			checked.Root = &specs.Root{Path: filepath.Join(host, s.Root.Path)}
			if err := Validate(&checked, "/"); err != nil {
				t.Errorf("the result is not valid: %v", err)
			}
			if s.Linux.Seccomp == nil || len(s.Linux.Seccomp.Syscalls) < 20 {
				t.Error("no seccomp profile")
			}
			s.Linux.Seccomp = nil // it is another module's, and of this architecture
			got, err := indented(s)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range notices {
				got = fmt.Appendf(got, "\n%s: %s", n.Code, n.Text)
			}
			golden(t, filepath.Join("testdata/wish", tt.name+".json"), append(got, '\n'))
		})
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s (go test -update writes it):\n%s", file, got)
	}
}

func TestWishRefuses(t *testing.T) {
	host := fakeHost(t)
	if err := unix.Mkfifo(filepath.Join(host, "srv/fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	entry := "[1]"
	tests := []struct {
		want string
		wish Wish
	}{
		{`rootfs "": want a directory`, Wish{}},
		{`--user "a\nb": has a NUL byte or a line break`, Wish{Rootfs: "/img", User: "a\nb"}},
		{`--volume "/\n:/x": has a NUL byte or a line break`, Wish{Tree: true, Volumes: []string{"/\n:/x"}}},
		{`--env-file "\x00": has a NUL byte or a line break`, Wish{Tree: true, EnvFiles: []string{"\x00"}}},
		{`rootfs "/none": stat /none: no such file or directory`, Wish{Rootfs: "/none"}},
		{`rootfs "/srv/env" is a file: not a directory`, Wish{Rootfs: "/srv/env"}},
		{`unable to find user nobody: no matching entries in passwd file`, Wish{Rootfs: "/img", User: "nobody"}},
		{`unable to find user 4294967295: no matching`, Wish{Rootfs: "/img", User: "4294967295"}},
		{`unable to find group nogroup: no matching entries in group file`, Wish{Rootfs: "/img", User: "0:nogroup"}},
		{`--group-add "nogroup": unable to find group`, Wish{Rootfs: "/img", GroupAdd: []string{"nogroup"}}},
		{`--group-add keep-groups: not allowed with any other`, Wish{Rootfs: "/img", GroupAdd: []string{"keep-groups", "1"}}},
		{`--group-add 70000: gid 70000 is not in the id map`, Wish{Rootfs: "/img", GroupAdd: []string{"70000"}}},
		{`--user "70000": uid 70000 is not in the id map (there are 0, 1-65536)`, Wish{Rootfs: "/img", User: "70000"}},
		{`--umask "999"`, Wish{Rootfs: "/img", Umask: "999"}},
		{`--umask "1000"`, Wish{Rootfs: "/img", Umask: "1000"}},
		{`--workdir "x": must be an absolute path`, Wish{Rootfs: "/img", Workdir: "x"}},
		{`--workdir "x": must be an absolute path`, Wish{Tree: true, Workdir: "x"}},
		{`--entrypoint "[1]": want a program or a JSON array`, Wish{Rootfs: "/img", Entrypoint: &entry}},
		{`has a NUL byte`, Wish{Tree: true, Args: []string{"a", "\x00"}}},
		{`--init: needs a pid namespace`, Wish{Tree: true, Init: true, PID: "host"}},
		{`--pid "foo": unrecognized namespace mode, want one of private, host, ns:PATH`, Wish{Tree: true, PID: "foo"}},
		{`--ipc "ns:x": the path must be absolute`, Wish{Tree: true, IPC: "ns:x"}},
		{`--uts "container:x": other containers cannot be named`, Wish{Tree: true, UTS: "container:x"}},
		{`--network "slirp4netns": unrecognized`, Wish{Tree: true, Network: "slirp4netns"}},
		{`--uts "none": unrecognized`, Wish{Tree: true, UTS: "none"}},
		{`--hostname "h": cannot be set together with --uts host`, Wish{Tree: true, UTS: "host", Hostname: "h"}},
		{`--hostname "a\nb"`, Wish{Tree: true, Hostname: "a\nb"}},
		{`--annotation "a": must be formatted KEY=VALUE`, Wish{Tree: true, Annotations: []string{"a"}}},
		{`--annotation "=a": must be`, Wish{Tree: true, Annotations: []string{"=a"}}},
		{`--volume "/none:/x": statfs /none: no such file or directory`, Wish{Tree: true, Volumes: []string{"/none:/x"}}},
		{`--volume "/srv/env:/x:O": /srv/env is a file: not a directory`, Wish{Tree: true, Volumes: []string{"/srv/env:/x:O"}}},
		{`--volume "/srv:/": the root itself`, Wish{Tree: true, Volumes: []string{"/srv:/"}}},
		{`--volume "/tmp:/x/": /x: duplicate mount destination`, Wish{Tree: true, Volumes: []string{"/srv:/x", "/tmp:/x/"}}},
		{`--tmpfs "/x": /x: duplicate mount destination`, Wish{Tree: true, Volumes: []string{"/srv:/x"}, Tmpfs: []string{"/x"}}},
		{`--tmpfs "x": invalid container path "x"`, Wish{Tree: true, Tmpfs: []string{"x"}}},
		{`--mount "type=bind,src=/none,dst=/x": statfs /none`, Wish{Tree: true, Mounts: []string{"type=bind,src=/none,dst=/x"}}},
		{`--device "/none": stat /none: no such file`, Wish{Tree: true, Devices: []string{"/none"}}},
		{`--device "/srv/env": /srv/env is a file, want a device`, Wish{Tree: true, Devices: []string{"/srv/env"}}},
		{`--device "/dev/snd": no devices in this directory`, Wish{Tree: true, Devices: []string{"/dev/snd"}}},
		{`--env-file "/none": open `, Wish{Tree: true, EnvFiles: []string{"/none"}}},
		{`is a pipe, and nobody has written to it`, Wish{Tree: true, EnvFiles: []string{"/srv/fifo"}}},
		{`--env: invalid environment variable: "=x"`, Wish{Tree: true, Env: []string{"=x"}}},
		{`--ulimit "nofile=2:1": the soft limit`, Wish{Tree: true, Ulimits: []string{"nofile=2:1"}}},
		{`--cap-add "foo": unknown capability`, Wish{Tree: true, CapAdd: []string{"foo"}}},
		{`--cap-drop "": unknown capability`, Wish{Tree: true, CapDrop: []string{""}}},
		{`capability "CAP_KILL" cannot be dropped and added`, Wish{Tree: true, CapAdd: []string{"kill"}, CapDrop: []string{"CAP_KILL"}}},
		{`adding all and removing all`, Wish{Tree: true, CapAdd: []string{"all"}, CapDrop: []string{"ALL"}}},
		{`--security-opt "foo": unknown option`, Wish{Tree: true, SecurityOpt: []string{"foo"}}},
		{`want true or false`, Wish{Tree: true, SecurityOpt: []string{"no-new-privileges=maybe"}}},
		{`opening seccomp profile failed: open `, Wish{Tree: true, SecurityOpt: []string{"seccomp=/none"}}},
		{`syntax error in pattern`, Wish{Tree: true, SecurityOpt: []string{"unmask=/["}}},
		{`must be an absolute path`, Wish{Tree: true, SecurityOpt: []string{"mask=x"}}},
		{`/proc is not mounted anew`, Wish{Tree: true, PID: "host", SecurityOpt: []string{"proc-opts=hidepid=2"}}},
	}
	for _, tt := range tests {
		tt.wish.hostRoot = host
		_, _, err := tt.wish.Spec(ann(), many())
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one line with %q in it", err, tt.want)
		}
	}
	// The errno decides between exit statuses.
	_, _, err := Wish{Rootfs: "/none", hostRoot: host}.Spec(ann(), many())
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v is not ErrNotExist", err)
	}
}

func TestRootfsIsTheHost(t *testing.T) {
	for _, dir := range []string{"/", "/.", "..", "/usr/.."} {
		_, _, err := Wish{Rootfs: dir}.Spec(Caller{Cwd: "/usr"}, IDs{})
		if err == nil || !strings.Contains(err.Error(), "sandbox run -- CMD") {
			t.Errorf("%q: error %v, want a hint to the other form", dir, err)
		}
	}
}

// spec makes ann's wish in a host of its own.
func specOf(t *testing.T, w Wish, ids IDs) *specs.Spec {
	t.Helper()
	w.hostRoot = fakeHost(t)
	s, _, err := w.Spec(ann(), ids)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWishUser(t *testing.T) {
	tests := []struct {
		user, groups string
		ids          IDs
		want         string
	}{
		{"", "", rooted(), "0:0 [] HOME=/root"},
		{"", "", kept(), "1000:1000 [] HOME=/"},
		{"web", "", many(), "33:34 [4 44] HOME=/srv/web"},
		{"33", "", many(), "33:34 [4 44] HOME=/srv/web"},
		{"web:root", "", many(), "33:0 [] HOME=/srv/web"},
		{"web:", "", many(), "33:34 [4 44] HOME=/srv/web"},
		{":www", "", many(), "0:34 [] HOME=/root"},
		{"12:13", "", many(), "12:13 [] HOME=/"},
		{"12", "", many(), "12:0 [] HOME=/"},
		{"web", "log,7,4", many(), "33:34 [4 44 7] HOME=/srv/web"},
		{"web", "keep-groups", many(), "33:34 [] HOME=/srv/web"},
	}
	for _, tt := range tests {
		w := Wish{Rootfs: "/img", User: tt.user}
		if tt.groups != "" {
			w.GroupAdd = []string{tt.groups}
		}
		s := specOf(t, w, tt.ids)
		u := s.Process.User
		got := fmt.Sprintf("%d:%d %v %s", u.UID, u.GID, u.AdditionalGids, s.Process.Env[2])
		if got != tt.want {
			t.Errorf("user %q groups %q: %s, want %s", tt.user, tt.groups, got, tt.want)
		}
	}
}

// TestUserFileEscapes: links in a root that lead out of it, in the host's view, stay inside.
func TestUserFileEscapes(t *testing.T) {
	host := fakeHost(t)
	etc := filepath.Join(host, "img/etc")
	for _, link := range []string{"/etc/passwd", "../../etc/passwd", "../../../../../etc/passwd"} {
		os.Remove(filepath.Join(etc, "passwd"))
		if err := os.Symlink(link, filepath.Join(etc, "passwd")); err != nil {
			t.Fatal(err)
		}
		_, _, err := Wish{Rootfs: "/img", User: "ann", hostRoot: host}.Spec(ann(), many())
		if err == nil || !strings.Contains(err.Error(), "unable to find user ann") {
			t.Errorf("link to %s: error %v, want that there is no such user", link, err)
		}
	}
	os.Remove(filepath.Join(etc, "passwd"))
	if err := unix.Mkfifo(filepath.Join(etc, "passwd"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := Wish{Rootfs: "/img", User: "ann", hostRoot: host}.Spec(ann(), many())
	if err == nil || !strings.Contains(err.Error(), "is a FIFO") {
		t.Errorf("FIFO: error %v", err)
	}
	if _, _, err := (Wish{Rootfs: "/img", User: "33", hostRoot: host}).Spec(ann(), many()); err != nil {
		t.Errorf("a number needs no passwd file: %v", err)
	}
}

func TestTreeHomes(t *testing.T) {
	host := fakeHost(t)
	tests := map[string]struct {
		home, passwd string
		want         string // destinations of the tmpfs mounts after the scratch ones
		notice       string
	}{
		"one":         {"/home/ann", "/home/ann/", "/home/ann", ""},
		"two":         {"/home/bob", "/home/ann", "/home/bob /home/ann", ""},
		"link":        {"/home/link", "/home/ann", "/home/ann", ""},
		"none":        {"", "/none", "", ""},
		"relative":    {"home/ann", "", "", ""},
		"slash":       {"/", "/", "", "home-not-hidden"},
		"system":      {"/usr/sbin", "", "", "home-not-hidden"},
		"a file":      {"/etc/passwd", "", "", ""},
		"tmp subtree": {"/tmp/x", "", "/tmp/x", ""},
	}
	for name, tt := range tests {
		c := ann()
		c.Home, c.PasswdHome, c.Cwd = tt.home, tt.passwd, "/srv"
		s, notices, err := Wish{Tree: true, hostRoot: host}.Spec(c, kept())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range s.Mounts {
			if m.Type == "tmpfs" && contains(m.Options, "mode=0700") {
				got = append(got, m.Destination)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: hidden %q, want %q", name, got, tt.want)
		}
		if (tt.notice == "") != (len(notices) == 0) || len(notices) > 0 && notices[0].Code != tt.notice {
			t.Errorf("%s: notices %v, want %q", name, notices, tt.notice)
		}
	}
}

// TestTreeMasks: who could write the host's /proc/sys as its owner gets it read-only.
func TestTreeMasks(t *testing.T) {
	root := Caller{Home: "/root", Cwd: "/srv"}
	nested := root
	nested.Nested = true
	tests := map[string]struct {
		caller Caller
		ids    IDs
		want   bool
	}{
		"user":                   {ann(), kept(), false},
		"root":                   {root, IDs{}, true},
		"root mapped to root":    {root, IDs{UID: one(0, 0), GID: one(0, 0)}, true},
		"root mapped elsewhere":  {root, IDs{UID: one(0, 5), GID: one(0, 5)}, false},
		"root in a namespace":    {nested, IDs{UID: one(0, 0), GID: one(0, 0)}, false},
		"root in one, no second": {nested, IDs{}, false},
	}
	host := fakeHost(t)
	for name, tt := range tests {
		s, _, err := Wish{Tree: true, hostRoot: host}.Spec(tt.caller, tt.ids)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(s.Linux.ReadonlyPaths) > 0; got != tt.want {
			t.Errorf("%s: masked %v, want %v", name, got, tt.want)
		}
	}
}

func TestTreeKernelDirectories(t *testing.T) {
	host := fakeHost(t)
	for _, dir := range []string{"/proc", "/sys", "/dev/snd", "/none"} {
		c := ann()
		c.Cwd = dir
		s, notices, err := Wish{Tree: true, hostRoot: host}.Spec(c, kept())
		if err != nil {
			t.Fatal(err)
		}
		if s.Process.Cwd != "/" || len(notices) != 1 || notices[0].Code != "cwd-not-shared" || strings.Contains(notices[0].Text, "\n") {
			t.Errorf("%s: cwd %q, notices %v", dir, s.Process.Cwd, notices)
		}
	}
}

func TestCallerNotMapped(t *testing.T) {
	host := fakeHost(t)
	s, notices, err := Wish{Tree: true, hostRoot: host}.Spec(ann(), IDs{UID: one(7, 5), GID: one(8, 5)})
	if err != nil {
		t.Fatal(err)
	}
	if s.Process.User.UID != 7 || s.Process.User.GID != 8 || len(notices) != 1 || notices[0].Code != "caller-not-mapped" {
		t.Errorf("user %+v, notices %v", s.Process.User, notices)
	}
}
