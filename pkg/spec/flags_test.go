package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func mountFor(t *testing.T, s *specs.Spec, destination string) string {
	t.Helper()
	i := mountOn(s.Mounts, destination)
	if i < 0 {
		t.Fatalf("nothing is mounted on %s", destination)
	}
	m := s.Mounts[i]
	return m.Type + " " + m.Source + " " + strings.Join(m.Options, ",")
}

func TestVolumes(t *testing.T) {
	tests := []struct{ volume, destination, want string }{
		{"/srv:/x", "/x", "bind /srv rbind,rprivate,rnosuid,rnodev,rw"},
		{"/srv:/x:rw", "/x", "bind /srv rbind,rprivate,rnosuid,rnodev,rw"},
		{"/srv:/x:ro", "/x", "bind /srv rbind,rprivate,rnosuid,rnodev,rro"},
		{"/srv:/x:ro,bind", "/x", "bind /srv bind,rprivate,nosuid,nodev,ro"},
		{"/srv:/x:rslave,suid,dev,noexec,copy", "/x", "bind /srv rbind,rslave,suid,dev,rnoexec,rw"},
		{"/srv:/x:z", "/x", "bind /srv rbind,rprivate,rnosuid,rnodev,rw"},
		{"/srv:/x:", "/x", "bind /srv rbind,rprivate,rnosuid,rnodev,rw"},
		{"/srv", "/srv", "bind /srv rbind,rprivate,rnosuid,rnodev,rw"},
		{"/srv/", "/srv", "bind /srv rbind,rprivate,rnosuid,rnodev,rw"},
		{".", "/home/ann/src", "bind /home/ann/src rbind,rprivate,rnosuid,rnodev,rw"},
		{"../src:/x/../y/", "/y", "bind /home/ann/src rbind,rprivate,rnosuid,rnodev,rw"},
		{"/srv:/x:O", "/x", "overlay overlay nosuid,nodev,lowerdir=/srv"},
		{"/srv:/x:O,upperdir=/srv/up,workdir=/srv/work", "/x", "overlay overlay nosuid,nodev,lowerdir=/srv,upperdir=/srv/up,workdir=/srv/work"},
		{"/etc/hosts:/etc/hosts:ro", "/etc/hosts", "bind /etc/hosts rbind,rprivate,rnosuid,rnodev,rro"},
		{"/srv:/tmp", "/tmp", "bind /srv rbind,rprivate,rnosuid,rnodev,rw"},
	}
	for _, tt := range tests {
		s := specOf(t, Wish{Tree: true, Volumes: []string{tt.volume}}, kept())
		if got := mountFor(t, s, tt.destination); got != tt.want {
			t.Errorf("-v %s: %s, want %s", tt.volume, got, tt.want)
		}
	}
}

func TestVolumeErrors(t *testing.T) {
	for v, want := range map[string]string{
		"":                      "incorrect volume format",
		":/x":                   "incorrect volume format",
		"/a:/b:ro:x":            "incorrect volume format",
		"a/b:/x":                "a directory here is ./a/b",
		"/a:b":                  `invalid container path "b", must be an absolute path`,
		"/a:ro,foo":             `invalid container path "ro,foo", must be an absolute path`,
		"/a:ro,rw":              `invalid container path "ro,rw"`,
		"/a:U":                  "option U is not supported",
		"/a:O,ro":               "can't use 'O' with other options",
		"/a:":                   "the path inside is missing",
		"/a:/b\n":               "NUL byte or newline",
		"/a\x00:/b":             "NUL byte",
		"/a:/b:foo":             `invalid option "foo"`,
		"/a:/b:ro,rw":           `options "ro" and "rw" exclude each other`,
		"/a:/b:slave,rshared":   "exclude each other",
		"/a:/b:O,ro":            "can't use 'O' with other options",
		"/a:/b:U":               "option U is not supported",
		"/a:/b:idmap":           "not supported yet",
		"/a:/b:upperdir=/x":     "need option O",
		"/a:/b:O,upperdir=/x":   "need each other",
		"/a:/b:O,upperdir=\x00": "",
	} {
		_, err := parseVolume(v)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", v, err, want)
		}
	}
}

func TestMountFlag(t *testing.T) {
	tests := []struct{ mount, destination, want string }{
		{"type=bind,src=/srv,dst=/x", "/x", "bind /srv rbind,rprivate,rnosuid,rnodev,rw"},
		{"type=bind,source=/srv,target=/x,readonly", "/x", "bind /srv rbind,rprivate,rnosuid,rnodev,rro"},
		{"destination=/x,type=bind,source=/srv,ro=true,bind-nonrecursive", "/x", "bind /srv bind,rprivate,nosuid,nodev,ro"},
		{"type=bind,source=/srv,dst=/x,ro=false,bind-propagation=shared", "/x", "bind /srv rbind,shared,rnosuid,rnodev,rw"},
		{"type=bind,source=/srv,dst=/x,rw=false,relabel=shared,U=false", "/x", "bind /srv rbind,rprivate,rnosuid,rnodev,rro"},
		{"type=bind,source=/srv,dst=/x,suid,consistency=cached", "/x", "bind /srv rbind,rprivate,suid,rnodev,rw"},
		{"type=tmpfs,dst=/x", "/x", "tmpfs tmpfs rprivate,nosuid,nodev,rw"},
		{"type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=0700,ro,noexec", "/x", "tmpfs tmpfs rprivate,nosuid,nodev,noexec,ro,size=1m,mode=0700"},
		{"type=tmpfs,dst=/x,notmpcopyup", "/x", "tmpfs tmpfs rprivate,nosuid,nodev,rw"},
		{"type=overlay,src=/srv,dst=/x", "/x", "overlay overlay nosuid,nodev,lowerdir=/srv"},
		{"type=overlay,src=/srv,dst=/x,upperdir=/srv/up,workdir=/srv/work", "/x", "overlay overlay nosuid,nodev,lowerdir=/srv,upperdir=/srv/up,workdir=/srv/work"},
		{"type=devpts,dst=/x", "/x", "devpts devpts nosuid,noexec,newinstance,ptmxmode=0666,mode=0620"},
	}
	for _, tt := range tests {
		s := specOf(t, Wish{Tree: true, Mounts: []string{tt.mount}}, kept())
		if got := mountFor(t, s, tt.destination); got != tt.want {
			t.Errorf("--mount %s: %s, want %s", tt.mount, got, tt.want)
		}
	}
	for v, want := range map[string]string{
		"":                          "the path inside is missing",
		"dst=/x":                    "type volume needs src=NAME",
		"type=volume,src=/a,dst=/x": "type volume needs src=NAME",

		"type=image,src=a,dst=/x":              "type image is not supported yet",
		"type=foo,dst=/x":                      `invalid filesystem type "foo"`,
		"type=bind,dst=/x":                     "type bind needs src=HOST-DIR",
		"type=bind,src=/a":                     "the path inside is missing",
		"type=bind,src=/a,dst=x":               "must be an absolute path",
		"type=bind,src=/a,dst=/x,foo=1":        "foo=1: invalid mount option",
		"type=bind,src=/a,dst=/x,ro=maybe":     "ro=maybe: want true or false",
		"type=bind,src=/a,dst=/x,U":            "option U is not supported",
		"type=bind,src=/a,dst=/x,ro,rw":        "exclude each other",
		"type=bind,src=/a,dst=/x,tmpfs-size=1": "invalid mount option",
		"type=tmpfs,dst=/x,tmpfs-mode=9":       "want an octal mode",
		"type=tmpfs,dst=/x,tmpfs-size=big":     "want a number",
		"type=devpts,dst=/x,uid=1":             "not supported yet",
	} {
		if _, err := parseMount(v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--mount %q: error %v, want %q", v, err, want)
		}
	}
}

func TestTmpfs(t *testing.T) {
	tests := []struct{ flag, destination, want string }{
		{"/x", "/x", "tmpfs tmpfs rprivate,nosuid,nodev,rw"},
		{"/x:", "/x", "tmpfs tmpfs rprivate,nosuid,nodev,rw"},
		{"/full", "/full", "tmpfs tmpfs rprivate,nosuid,nodev,rw,tmpcopyup"},
		{"/full:notmpcopyup", "/full", "tmpfs tmpfs rprivate,nosuid,nodev,rw"},
		{"/tmp:rw,size=787448k,mode=1777,exec", "/tmp", "tmpfs tmpfs rprivate,nosuid,nodev,exec,rw,size=787448k,mode=1777"},
		{"/x:uid=5,gid=6,size=50%,nr_inodes=10k", "/x", "tmpfs tmpfs rprivate,nosuid,nodev,rw,uid=5,gid=6,size=50%,nr_inodes=10k"},
	}
	for _, tt := range tests {
		s := specOf(t, Wish{Rootfs: "/img", Tmpfs: []string{tt.flag}}, kept())
		if got := mountFor(t, s, tt.destination); got != tt.want {
			t.Errorf("--tmpfs %s: %s, want %s", tt.flag, got, tt.want)
		}
	}
	for v, want := range map[string]string{
		"": "missing", "x": "must be an absolute path", "/x:foo": `unknown mount option "foo"`, "/x:bind": "unknown mount option",
		"/x:size=-1": "want a number", "/x:size=1mb": "want a number", "/x:size=": "want a number", "/x:mode=99999": "octal",
		"/x:uid=4294967295": "want a number", "/x:gid=": "want a number",
	} {
		if _, _, err := parseTmpfs(v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--tmpfs %q: error %v, want %q", v, err, want)
		}
	}
}

// TestMountOrder: what the caller mounts is not hidden by what we mount, nor by another of theirs.
func TestMountOrder(t *testing.T) {
	s := specOf(t, Wish{Tree: true, Volumes: []string{"/srv:/tmp/a/b", "/srv:/tmp/a", "/srv:/run"}, Tmpfs: []string{"/home/ann/src/t"}}, kept())
	at := func(d string) int { return mountOn(s.Mounts, d) }
	if !(at("/tmp") < at("/tmp/a") && at("/tmp/a") < at("/tmp/a/b") && at("/home/ann") < at("/home/ann/src") && at("/home/ann/src") < at("/home/ann/src/t")) {
		t.Errorf("order of %v", s.Mounts)
	}
	if got := mountFor(t, s, "/run"); !strings.HasPrefix(got, "bind /srv") {
		t.Errorf("/run is %s, want the caller's", got)
	}
}

func TestUlimits(t *testing.T) {
	const max = ^uint64(0)
	tests := map[string]specs.POSIXRlimit{
		"nofile=10":         {Type: "RLIMIT_NOFILE", Soft: 10, Hard: 10},
		"nofile=10:20":      {Type: "RLIMIT_NOFILE", Soft: 10, Hard: 20},
		"core=0:-1":         {Type: "RLIMIT_CORE", Hard: max},
		"memlock=unlimited": {Type: "RLIMIT_MEMLOCK", Soft: max, Hard: max},
		"RLIMIT_AS=1":       {Type: "RLIMIT_AS", Soft: 1, Hard: 1},
	}
	for v, want := range tests {
		if got, err := parseUlimit(v); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", v, got, err, want)
		}
	}
	for v, want := range map[string]string{
		"": "want NAME=", "nofile": "want NAME=", "foo=1": "invalid ulimit type", "=1": "invalid ulimit type", "as core=1": "invalid ulimit type",
		"nofile=": "not a limit", "nofile=-2": "not a limit", "nofile=1:2:3": "not a limit", "nofile=18446744073709551616": "not a limit",
		"nofile=-1:5": "must not be above",
	} {
		if _, err := parseUlimit(v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", v, err, want)
		}
	}
	s := specOf(t, Wish{Tree: true, Ulimits: []string{"host", "nofile=1", "core=0,nofile=2"}}, kept())
	if got := fmt.Sprint(s.Process.Rlimits); got != "[{RLIMIT_NOFILE 2 2} {RLIMIT_CORE 0 0}]" {
		t.Errorf("limits %s, want the last of each", got)
	}
}

func TestCapabilities(t *testing.T) {
	tests := []struct {
		name             string
		wish             Wish
		bound, effective string
		ambient          string
	}{
		{"root", Wish{Rootfs: "/img"}, "11", "11", ""},
		{"user", Wish{Rootfs: "/img", User: "1"}, "11", "", ""},
		{"user with one", Wish{Rootfs: "/img", User: "1", CapAdd: []string{"net_raw"}}, "12", "CAP_NET_RAW", "CAP_NET_RAW"},
		{"root with two", Wish{Rootfs: "/img", CapAdd: []string{"Net_Raw,CAP_KILL"}}, "12", "12", ""},
		{"root without", Wish{Rootfs: "/img", CapDrop: []string{"kill", "sys_time"}}, "10", "10", ""},
		{"root with all", Wish{Rootfs: "/img", CapAdd: []string{"ALL"}}, "41", "41", ""},
		{"root with all but one", Wish{Rootfs: "/img", CapAdd: []string{"ALL"}, CapDrop: []string{"kill"}}, "40", "40", ""},
		{"root with one only", Wish{Rootfs: "/img", CapAdd: []string{"kill"}, CapDrop: []string{"all"}}, "CAP_KILL", "CAP_KILL", ""},
		{"tree, yourself", Wish{Tree: true, User: "1000"}, "", "", ""},
		{"tree, root", Wish{Tree: true}, "11", "11", ""},
		{"tree, with one", Wish{Tree: true, User: "1000", CapAdd: []string{"kill"}}, "CAP_KILL", "CAP_KILL", "CAP_KILL"},
	}
	short := func(list []string) string {
		if len(list) > 1 {
			return fmt.Sprint(len(list))
		}
		return strings.Join(list, " ")
	}
	for _, tt := range tests {
		c := specOf(t, tt.wish, many()).Process.Capabilities
		if short(c.Bounding) != tt.bound || short(c.Effective) != tt.effective || short(c.Permitted) != tt.effective ||
			short(c.Ambient) != tt.ambient || short(c.Inheritable) != tt.ambient {
			t.Errorf("%s: %+v", tt.name, c)
		}
	}
}

func TestEnv(t *testing.T) {
	caller := []string{"A=1", "AB=2", "B=3=4", "broken", "=x"}
	tests := map[string]string{
		"X=y": "X=y", "X=": "X=", "X=a=b": "X=a=b", "A": "A=1", "B": "B=3=4", "NONE": "", "A*": "A=1 AB=2", "*": "A=1 AB=2 B=3=4",
		"A*=5": "A*=5", " X=y": "X=y", "broken": "",
	}
	for v, want := range tests {
		got, err := parseEnv(v, caller)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("-e %q: %q, %v, want %q", v, got, err, want)
		}
	}
	for _, v := range []string{"", "=", "=x", "a b=c", "a\tb", "A=\x00"} {
		if got, err := parseEnv(v, caller); err == nil {
			t.Errorf("-e %q: %q, want an error", v, got)
		}
	}
}

func TestEnvFile(t *testing.T) {
	text := "# a comment\n\n  A=1\r\n\tB= two words \nPATH*\nQ=\"quoted\" # not a comment\n#C=1\nlast=1"
	got, err := parseEnvFile([]byte(text), []string{"PATH=/bin", "PATHX=1", "X=1"})
	want := []string{"A=1", "B= two words ", "PATH=/bin", "PATHX=1", `Q="quoted" # not a comment`, "last=1"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if _, err := parseEnvFile([]byte("A=1\n=2\n"), nil); err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
		t.Errorf("error %v, want the line", err)
	}
}

func TestEnvPrecedence(t *testing.T) {
	s := specOf(t, Wish{Rootfs: "/img", EnvFiles: []string{"/srv/env"}, Env: []string{"A=2", "HOME=/h", "LC_*", "container"}}, rooted())
	got := strings.Join(s.Process.Env, " ")
	want := defaultPath + " container=sandbox HOME=/h HOSTNAME=sandbox A=2 LC_ALL=C LC_TIME=C"
	if got != want {
		t.Errorf("env %s, want %s", got, want)
	}
}

func TestDeviceFlag(t *testing.T) {
	tests := map[string]string{
		"/dev/a": "/dev/a /dev/a rwm", "/dev/a:/dev/b": "/dev/a /dev/b rwm", "/dev/a:r": "/dev/a /dev/a r", "/dev/a:/dev/b:mr": "/dev/a /dev/b mr",
	}
	for v, want := range tests {
		src, dst, access, err := parseDevice(v)
		if got := src + " " + dst + " " + access; err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", v, got, err, want)
		}
	}
	for _, v := range []string{"", ":", "a", "/a:b", "/a:/b:q", "/a:/b:rr", "/a:/b:", "/a:/b:r:w", "/a\x00", "/a:/b\n"} {
		if src, dst, access, err := parseDevice(v); err == nil {
			t.Errorf("%q: %s %s %s, want an error", v, src, dst, access)
		}
	}
}

// TestDevices uses the real /dev/null: making nodes needs privilege.
func TestDevices(t *testing.T) {
	if _, err := os.Stat("/dev/null"); err != nil {
		t.Skip("no /dev/null")
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/dev/null", link); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(link), 0o777); err != nil { // where anybody may have made it
		t.Fatal(err)
	}
	w := Wish{Tree: true, Devices: []string{link + ":/dev/nn:rw"}}
	if _, _, err := w.Spec(ann(), kept()); err == nil || !strings.Contains(err.Error(), "behind a link, which a command that ran here before") {
		t.Errorf("a link that others may have made: %v", err)
	}
	w.Devices[0] = "/dev/null:/dev/nn:rw" // tests/attacks/cd-link.txtar has a link of the caller's own
	s, _, err := w.Spec(ann(), kept())
	if err != nil {
		t.Fatal(err)
	}
	if got := mountFor(t, s, "/dev/nn"); got != "bind /dev/null bind,rprivate,nosuid,noexec,rw" {
		t.Errorf("in a user namespace: %s", got)
	}
	s, _, err = w.Spec(Caller{Cwd: "/"}, IDs{})
	if err != nil {
		t.Fatal(err)
	}
	d, r := s.Linux.Devices[0], s.Linux.Resources.Devices
	if d.Path != "/dev/nn" || d.Type != "c" || d.Major != 1 || d.Minor != 3 || len(r) != 2 || r[0].Allow || !r[1].Allow || r[1].Access != "rw" || *r[1].Minor != 3 {
		t.Errorf("without: %+v, rules %+v", d, r)
	}
}

// mayMount counts the rules that allow mount(2); -1 without a profile.
func mayMount(s *specs.Spec) (n int) {
	if s.Linux.Seccomp == nil || s.Linux.Seccomp.DefaultAction != specs.ActErrno {
		return -1
	}
	for _, r := range s.Linux.Seccomp.Syscalls {
		if contains(r.Names, "mount") && r.Action == specs.ActAllow {
			n++
		}
	}
	return n
}

// makesSockets says whether socketcall(2) is allowed whatever it does, and so to make sockets of any family.
func makesSockets(s *specs.Spec) bool {
	for _, r := range s.Linux.Seccomp.Syscalls {
		if contains(r.Names, "socketcall") && r.Action == specs.ActAllow && len(r.Args) == 0 {
			return true
		}
	}
	return false
}

func TestSecurityOptions(t *testing.T) {
	tests := []struct {
		opts string
		want func(*specs.Spec) bool
	}{
		{"", func(s *specs.Spec) bool { return !s.Process.NoNewPrivileges && mayMount(s) == 0 }},
		{"no-new-privileges", func(s *specs.Spec) bool { return s.Process.NoNewPrivileges }},
		{"no-new-privileges:true", func(s *specs.Spec) bool { return s.Process.NoNewPrivileges }},
		{"no-new-privileges=false", func(s *specs.Spec) bool { return !s.Process.NoNewPrivileges }},
		{"apparmor=p", func(s *specs.Spec) bool { return s.Process.ApparmorProfile == "p" }},
		{"apparmor=unconfined", func(s *specs.Spec) bool { return s.Process.ApparmorProfile == "" }},
		{"label=disable", func(s *specs.Spec) bool { return s.Process.SelinuxLabel == "" }},
		{"unmask=ALL", func(s *specs.Spec) bool { return len(s.Linux.MaskedPaths)+len(s.Linux.ReadonlyPaths) == 0 }},
		{"systempaths=unconfined", func(s *specs.Spec) bool { return len(s.Linux.MaskedPaths)+len(s.Linux.ReadonlyPaths) == 0 }},
		{"unmask=/proc/*:/sys/firmware:/sys/dev/*:/sys/devices/virtual/powercap:/sys/fs/s*", func(s *specs.Spec) bool { return len(s.Linux.MaskedPaths)+len(s.Linux.ReadonlyPaths) == 0 }},
		{"unmask=/proc/kcore", func(s *specs.Spec) bool {
			return len(s.Linux.MaskedPaths) == 13 && !contains(s.Linux.MaskedPaths, "/proc/kcore")
		}},
		{"mask=/a:/b", func(s *specs.Spec) bool {
			return contains(s.Linux.MaskedPaths, "/a") && contains(s.Linux.MaskedPaths, "/b") && len(s.Linux.MaskedPaths) == 16
		}},
		{"proc-opts=hidepid=2,subset=pid", func(s *specs.Spec) bool {
			return strings.HasSuffix(strings.Join(s.Mounts[0].Options, ","), "nodev,hidepid=2,subset=pid")
		}},
		{"socketcall=false", func(s *specs.Spec) bool { return !makesSockets(s) }},
		{"socketcall", makesSockets},
		{"seccomp=unconfined", func(s *specs.Spec) bool { return s.Linux.Seccomp == nil }},
		{"seccomp=/srv/seccomp.json", func(s *specs.Spec) bool {
			return s.Linux.Seccomp.DefaultAction == "SCMP_ACT_ERRNO" && *s.Linux.Seccomp.DefaultErrnoRet == uint(unix.ENOSYS) && len(s.Linux.Seccomp.Syscalls) == 1
		}},
	}
	admin := specOf(t, Wish{Rootfs: "/img", CapAdd: []string{"SYS_ADMIN"}}, rooted())
	if mayMount(admin) != 1 {
		t.Error("CAP_SYS_ADMIN does not open mount in the default profile")
	}
	for _, tt := range tests {
		w := Wish{Rootfs: "/img"}
		if tt.opts != "" {
			w.SecurityOpt = []string{tt.opts}
		}
		if s := specOf(t, w, rooted()); !tt.want(s) {
			t.Errorf("--security-opt %s: %+v %+v", tt.opts, s.Process, s.Linux)
		}
	}
	if !specOf(t, Wish{Tree: true}, kept()).Process.NoNewPrivileges {
		t.Error("the host's tree without no_new_privs")
	}
}

func TestProfile(t *testing.T) {
	text := `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,
		"archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]},{"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]}],
		"syscalls":[
		{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":2,"op":"SCMP_CMP_EQ"}]},
		{"name":"old","action":"SCMP_ACT_ERRNO","errno":"EPERM"},
		{"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
		{"names":["nomount"],"action":"SCMP_ACT_ERRNO","excludes":{"caps":["CAP_SYS_ADMIN"]}},
		{"names":["kill"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_KILL"]}},
		{"names":["m68k"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["m68k"]}},
		{"names":["ptrace"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"4.8"}},
		{"names":["future"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"999.1"}}]}`
	p, err := parseProfile("p.json", []byte(text), []string{"CAP_KILL"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range p.Syscalls {
		names = append(names, strings.Join(r.Names, "+"))
	}
	if got := strings.Join(names, " "); got != "read old nomount kill ptrace" {
		t.Errorf("rules %q", got)
	}
	if *p.DefaultErrnoRet != 1 || *p.Syscalls[1].ErrnoRet != 1 || len(p.Syscalls[0].Args) != 1 || p.Syscalls[0].Args[0].Value != 2 {
		t.Errorf("profile %+v", p)
	}
	for in, want := range map[string]string{
		``:   "p.json is empty",
		`{}`: "p.json: defaultAction: missing",
		`{"defaultAction":"A","defaultErrno":"EFOO"}`:                                                  `unknown error name "EFOO"`,
		`{"defaultAction":"A","syscalls":[{"names":["x"]}]}`:                                           "syscalls[0]: names and action are needed",
		`{"defaultAction":"A","syscalls":[{"action":"B"}]}`:                                            "syscalls[0]: names and action are needed",
		`{"defaultAction":"A","syscalls":[{"names":["x"],"action":"B","includes":{"minKernel":"x"}}]}`: `minKernel "x" is not a version`,
		`{"defaultAction":"A","syscalls":[{"names":"x"}]}`:                                             "p.json:1:43: syscalls[0].names: cannot be string",
	} {
		if _, err := parseProfile("p.json", []byte(in), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", in, err, want)
		}
	}
}

func TestNotices(t *testing.T) {
	w := Wish{Tree: true, Volumes: []string{"/srv:/x:z"}, SecurityOpt: []string{"label=type:t"}, hostRoot: fakeHost(t)}
	_, notices, err := w.Spec(ann(), kept())
	if err != nil || len(notices) != 2 || notices[0].Code != "no-selinux" || notices[1].Code != "no-selinux" {
		t.Errorf("notices %v, %v", notices, err)
	}
	enforce := filepath.Join(w.hostRoot, "sys/fs/selinux/enforce")
	if err := os.MkdirAll(filepath.Dir(enforce), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(enforce, []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Spec(ann(), kept()); err == nil || !strings.Contains(err.Error(), "chcon") {
		t.Errorf("with SELinux: error %v, want what to do", err)
	}
}
