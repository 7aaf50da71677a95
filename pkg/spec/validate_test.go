package spec

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
)

// goodBundle is a bundle whose configuration is Default's, and valid.
func goodBundle(t testing.TB) (string, *specs.Spec) {
	t.Helper()
	bundle := t.TempDir()
	if err := os.Mkdir(filepath.Join(bundle, "rootfs"), 0o755); err != nil {
		t.Fatal(err)
	}
	return bundle, Default()
}

func userns(s *specs.Spec) {
	ForUser(s, 1000, 1000)
}

func TestValidateRefuses(t *testing.T) {
	extents := func(e ...specs.LinuxIDMapping) func(*specs.Spec) {
		return func(s *specs.Spec) { userns(s); s.Linux.UIDMappings = e }
	}
	env := func(e string) func(*specs.Spec) {
		return func(s *specs.Spec) { s.Process.Env = []string{"A=b", e} }
	}
	tests := []struct {
		want   string
		change func(*specs.Spec)
	}{
		{"process: missing", func(s *specs.Spec) { s.Process = nil }},
		{"root: missing", func(s *specs.Spec) { s.Root = nil }},
		{"linux: missing", func(s *specs.Spec) { s.Linux = nil }},
		{"root.path: missing or empty", func(s *specs.Spec) { s.Root.Path = "" }},
		{"root.path: NUL byte", func(s *specs.Spec) { s.Root.Path = "a\x00b" }},
		{"root.path: stat ", func(s *specs.Spec) { s.Root.Path = "none" }},
		{"root.path: / is this host's own root", func(s *specs.Spec) { s.Root.Path = "/" }},
		{"process.args: missing or empty", func(s *specs.Spec) { s.Process.Args = nil }},
		{"process.args[1]: NUL byte", func(s *specs.Spec) { s.Process.Args = []string{"a", "\x00"} }},
		{"process.env[1]: must be NAME=VALUE", env("C")},
		{"process.env[1]: must be NAME=VALUE", env("")},
		{"process.env[1]: empty name", env("=C")},
		{"process.env[1]: NUL byte", env("C=\x00")},
		{`process.cwd: must be absolute, is "x"`, func(s *specs.Spec) { s.Process.Cwd = "x" }},
		{"process.cwd: missing or empty", func(s *specs.Spec) { s.Process.Cwd = "" }},
		{"process.cwd: NUL byte or newline", func(s *specs.Spec) { s.Process.Cwd = "/a\nb" }},
		{"process.cwd: is longer than 4095 bytes", func(s *specs.Spec) { s.Process.Cwd = "/" + strings.Repeat("a", 4096) }},
		{"process.user.uid: 4294967295 is not an id", func(s *specs.Spec) { s.Process.User.UID = 1<<32 - 1 }},
		{"process.user.gid: 4294967295 is not an id", func(s *specs.Spec) { s.Process.User.GID = 1<<32 - 1 }},
		{"process.user.additionalGids[0]: 4294967295", func(s *specs.Spec) { s.Process.User.AdditionalGids = []uint32{1<<32 - 1} }},
		{"process.user.uid: 1 is not in linux.uidMappings (there are 0)", func(s *specs.Spec) { userns(s); s.Process.User.UID = 1 }},
		{"process.user.gid: 1 is not in linux.gidMappings", func(s *specs.Spec) { userns(s); s.Process.User.GID = 1 }},
		{"process.user.additionalGids[1]: 5 is not in", func(s *specs.Spec) { userns(s); s.Process.User.AdditionalGids = []uint32{0, 5} }},
		{"process.user.umask: must be 0777", func(s *specs.Spec) { s.Process.User.Umask = ptr(uint32(0o1000)) }},
		{"process.consoleSize: must be 65535", func(s *specs.Spec) { s.Process.ConsoleSize = &specs.Box{Height: 1 << 16} }},
		{`process.rlimits[0].type: unknown limit "RLIMIT_FOO"`, func(s *specs.Spec) { s.Process.Rlimits[0].Type = "RLIMIT_FOO" }},
		{"process.rlimits[0].type: unknown limit", func(s *specs.Spec) { s.Process.Rlimits[0].Type = "RLIMIT_nofile" }},
		{"process.rlimits[0].type: unknown limit", func(s *specs.Spec) { s.Process.Rlimits[0].Type = "RLIMIT_AS CORE" }},
		{"process.rlimits[0].soft: must not be above hard: 1025 > 1024", func(s *specs.Spec) { s.Process.Rlimits[0].Soft = 1025 }},
		{"process.rlimits[1].type: RLIMIT_NOFILE is given twice", func(s *specs.Spec) { s.Process.Rlimits = append(s.Process.Rlimits, s.Process.Rlimits[0]) }},
		{"process.oomScoreAdj: must be from -1000 to 1000, is -1001", func(s *specs.Spec) { s.Process.OOMScoreAdj = ptr(-1001) }},
		{"process.scheduler.policy", func(s *specs.Spec) { s.Process.Scheduler = &specs.Scheduler{Policy: "X"} }},
		{"process.scheduler.nice", func(s *specs.Spec) { s.Process.Scheduler = &specs.Scheduler{Policy: "SCHED_OTHER", Nice: 20} }},
		{"process.ioPriority.class", func(s *specs.Spec) { s.Process.IOPriority = &specs.LinuxIOPriority{} }},
		{"process.ioPriority.priority", func(s *specs.Spec) {
			s.Process.IOPriority = &specs.LinuxIOPriority{Class: "IOPRIO_CLASS_BE", Priority: 8}
		}},
		{"process.capabilities: \"\" is not", func(s *specs.Spec) { s.Process.Capabilities.Bounding = []string{""} }},
		{"hostname: needs a uts namespace", func(s *specs.Spec) { s.Linux.Namespaces = s.Linux.Namespaces[4:] }},
		{"hostname: must be 64 bytes at most", func(s *specs.Spec) { s.Hostname = strings.Repeat("h", 65) }},
		{`linux.sysctl["kernel/domainname"]: conflicts with domainname`, func(s *specs.Spec) {
			s.Domainname, s.Linux.Sysctl = "d", map[string]string{"kernel/domainname": "e"}
		}},
		{"domainname: NUL byte or newline", func(s *specs.Spec) { s.Domainname = "a\n" }},
		{"linux.namespaces[6].type: pid is given twice", func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "pid"})
		}},
		{`linux.namespaces[0].type: unknown namespace "foo"`, func(s *specs.Spec) { s.Linux.Namespaces[0].Type = "foo" }},
		{`linux.namespaces[0].type: unknown namespace ""`, func(s *specs.Spec) { s.Linux.Namespaces[0].Type = "" }},
		{"linux.namespaces[0].path: must be absolute", func(s *specs.Spec) { s.Linux.Namespaces[0].Path = "proc/1/ns/pid" }},
		{"linux.uidMappings: needs a user namespace", func(s *specs.Spec) { s.Linux.UIDMappings = []specs.LinuxIDMapping{{Size: 1}} }},
		{"linux.uidMappings: missing", extents()},
		{"linux.gidMappings: missing", func(s *specs.Spec) { userns(s); s.Linux.GIDMappings = nil }},
		{"linux.uidMappings[0].size: must be 1 or more", extents(specs.LinuxIDMapping{})},
		{"linux.uidMappings[0].size: 2 ids reach beyond", extents(specs.LinuxIDMapping{HostID: 1<<32 - 2, Size: 2})},
		{"linux.uidMappings[0].size: 4294967295 ids", extents(specs.LinuxIDMapping{ContainerID: 1, Size: 1<<32 - 1})},
		{"linux.uidMappings[1].containerID: overlaps", extents(specs.LinuxIDMapping{Size: 5}, specs.LinuxIDMapping{ContainerID: 4, HostID: 9, Size: 1})},
		{"linux.uidMappings[1].hostID: overlaps", extents(specs.LinuxIDMapping{Size: 5}, specs.LinuxIDMapping{ContainerID: 9, HostID: 4, Size: 1})},
		{"linux.uidMappings: has 341 entries", extents(make([]specs.LinuxIDMapping, 341)...)},
		{"mounts[0].destination: missing or empty", func(s *specs.Spec) { s.Mounts[0].Destination = "" }},
		{"mounts[0].destination: must be absolute", func(s *specs.Spec) { s.Mounts[0].Destination = "proc" }},
		{"mounts[0].destination: NUL byte or newline", func(s *specs.Spec) { s.Mounts[0].Destination = "/\n" }},
		{"mounts[0]: NUL byte", func(s *specs.Spec) { s.Mounts[0].Source = "\x00" }},
		{"mounts[0]: NUL byte", func(s *specs.Spec) { s.Mounts[0].Options = []string{"\x00"} }},
		{"mounts[0].uidMappings[0].size", func(s *specs.Spec) { s.Mounts[0].UIDMappings = []specs.LinuxIDMapping{{}} }},
		{"hooks.poststop[0].path: must be absolute", func(s *specs.Spec) { s.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "x"}}} }},
		{"hooks.createRuntime[0].timeout: must be 1 second or more, is -1", func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/x", Timeout: ptr(-1)}}}
		}},
		{"hooks.poststart[0]: NUL byte", func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{Poststart: []specs.Hook{{Path: "/x", Env: []string{"\x00"}}}}
		}},
		{"annotations: empty key", func(s *specs.Spec) { s.Annotations = map[string]string{"": ""} }},
		{"linux.maskedPaths[0]: must be absolute", func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"x"} }},
		{"linux.readonlyPaths[0]: must be absolute", func(s *specs.Spec) { s.Linux.ReadonlyPaths = []string{"x"} }},
		{`linux.devices[0].type: unknown type "x"`, func(s *specs.Spec) { s.Linux.Devices = []specs.LinuxDevice{{Path: "/d", Type: "x"}} }},
		{"linux.devices[0].path: must be absolute", func(s *specs.Spec) { s.Linux.Devices = []specs.LinuxDevice{{Path: "d", Type: "c"}} }},
		{"linux.devices[0]: no such device number: -1:0", func(s *specs.Spec) {
			s.Linux.Devices = []specs.LinuxDevice{{Path: "/d", Type: "c", Major: -1}}
		}},
		{"linux.devices[0]: no such device number: 0:1048576", func(s *specs.Spec) {
			s.Linux.Devices = []specs.LinuxDevice{{Path: "/d", Type: "b", Minor: 1 << 20}}
		}},
		{"linux.devices[0]: 4294967295", func(s *specs.Spec) {
			s.Linux.Devices = []specs.LinuxDevice{{Path: "/d", Type: "p", UID: ptr(^uint32(0))}}
		}},
		{"linux.resources.devices[0].type", func(s *specs.Spec) { s.Linux.Resources.Devices[0].Type = "p" }},
		{"linux.resources.devices[0].access", func(s *specs.Spec) { s.Linux.Resources.Devices[0].Access = "rx" }},
		{"linux.resources.memory.limit: must be -1", func(s *specs.Spec) { s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: ptr(int64(-2))} }},
		{"linux.resources.pids.limit: must be -1", func(s *specs.Spec) { s.Linux.Resources.Pids = &specs.LinuxPids{Limit: ptr(int64(-2))} }},
		{"linux.resources.blockIO.weight", func(s *specs.Spec) { s.Linux.Resources.BlockIO = &specs.LinuxBlockIO{Weight: ptr(uint16(9))} }},
		{`linux.timeOffsets["realtime"]: unknown clock`, func(s *specs.Spec) { s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"realtime": {}} }},
		{`linux.timeOffsets["monotonic"]: needs a time namespace`, func(s *specs.Spec) { s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {}} }},
		{`linux.timeOffsets["monotonic"].nanosecs`, func(s *specs.Spec) {
			s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Nanosecs: 1e9}}
		}},
		{"linux.rootfsPropagation: unknown", func(s *specs.Spec) { s.Linux.RootfsPropagation = "foo" }},
		{"linux.personality.domain: unknown", func(s *specs.Spec) { s.Linux.Personality = &specs.LinuxPersonality{Domain: "X"} }},
		{"linux.netDevices: needs a network namespace", func(s *specs.Spec) {
			userns(s)
			s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"eth0": {}}
		}},
	}
	for _, tt := range tests {
		bundle, s := goodBundle(t)
		tt.change(s)
		err := Validate(s, bundle)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one line starting with %q", err, tt.want)
		}
	}
}

func TestValidateAccepts(t *testing.T) {
	tests := map[string]func(*specs.Spec){
		"unknown capability":    func(s *specs.Spec) { s.Process.Capabilities.Bounding = []string{"CAP_FUTURE", "cap_chown"} },
		"size without terminal": func(s *specs.Spec) { s.Process.Terminal, s.Process.ConsoleSize = false, &specs.Box{Height: 1 << 20} },
		"joined namespaces":     func(s *specs.Spec) { s.Linux.Namespaces[1].Path = "/run/netns/x" },
		"joined user namespace": func(s *specs.Spec) {
			userns(s)
			s.Linux.Namespaces[5].Path, s.Linux.UIDMappings = "/proc/1/ns/user", nil
		},
		"groups left alone":            func(s *specs.Spec) { userns(s); keepGroups(s) },
		"the largest map":              func(s *specs.Spec) { userns(s); s.Linux.UIDMappings[0] = specs.LinuxIDMapping{Size: 1<<32 - 1} },
		"device number with type bits": func(s *specs.Spec) { device(s) },
		"a mount on the host's root":   func(s *specs.Spec) { s.Root.Path = "/"; s.Mounts = append(s.Mounts, specs.Mount{Destination: "/"}) },
		"sysctls": func(s *specs.Spec) {
			s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1", "net/ipv4/conf/eth0.1/forwarding": "1", "net.ipv4.conf.eth0/1.forwarding": "1",
				"kernel.shmmax": "1", "fs.mqueue.msg_max": "1", "kernel.domainname": "d"}
		},
	}
	for name, change := range tests {
		bundle, s := goodBundle(t)
		change(s)
		if err := Validate(s, bundle); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func keepGroups(s *specs.Spec) {
	s.Process.User.AdditionalGids = []uint32{27}
	s.Annotations = map[string]string{KeepGroups: "1"}
}

func device(s *specs.Spec) {
	// What podman writes: the file mode with the type's bits.
	s.Linux.Devices = []specs.LinuxDevice{{Path: "/d", Type: "c", Major: 1, Minor: 3, FileMode: ptr(os.FileMode(0o20666))}}
}

func TestSysctlOfTheHost(t *testing.T) {
	for _, key := range []string{"", ".", "vm.overcommit_memory", "kernel.core_pattern", "net", "net..x", "net/../kernel/core_pattern",
		"kernel/../vm/x", "net.ipv4.//.x", "net/./x", "user", "user.a.b", "fs.mqueue", "kernel.shmmax.x", "net.a b"} {
		if _, ns := SysctlPath(key); ns != "" {
			t.Errorf("%q: namespace %q, want none", key, ns)
		}
	}
	bundle, s := goodBundle(t)
	for key, want := range map[string]string{
		"vm.swappiness":   `linux.sysctl["vm.swappiness"]: is not in any namespace`,
		"kernel.hostname": "use hostname instead",
	} {
		s.Linux.Sysctl = map[string]string{key: "1"}
		if err := Validate(s, bundle); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", key, err, want)
		}
	}
	ForUser(s, 1, 1)
	s.Linux.Sysctl = map[string]string{"net.core.somaxconn": "1"}
	if err := Validate(s, bundle); err == nil || !strings.Contains(err.Error(), "needs a network namespace") {
		t.Errorf("error %v, want that it needs a network namespace", err)
	}
}

func TestValidateRootPath(t *testing.T) {
	bundle, s := goodBundle(t)
	outside := t.TempDir()
	for name, target := range map[string]string{"inside": "rootfs", "outside": outside, "dangling": "nowhere", "file": ConfigName} {
		if err := os.Symlink(target, filepath.Join(bundle, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(bundle, ConfigName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		"rootfs": nil, "inside": nil, "outside": nil, outside: nil, "rootfs/../rootfs": nil,
		"dangling": unix.ENOENT, "file": unix.ENOTDIR, ConfigName: unix.ENOTDIR, ConfigName + "/x": unix.ENOTDIR,
	} {
		s.Root.Path = path
		if err := Validate(s, bundle); !errors.Is(err, want) {
			t.Errorf("root.path %q: error %v, want %v", path, err, want)
		}
	}
}

// TestValidateUnreadableRoot: a closed directory is refused, unless the user namespace's root will own it.
func TestValidateUnreadableRoot(t *testing.T) {
	bundle, s := goodBundle(t)
	if err := os.Chmod(filepath.Join(bundle, "rootfs"), 0); err != nil {
		t.Fatal(err)
	}
	err := Validate(s, bundle)
	if unix.Faccessat(unix.AT_FDCWD, filepath.Join(bundle, "rootfs"), unix.X_OK, unix.AT_EACCESS) == nil {
		if err != nil {
			t.Errorf("error %v for a caller who may enter", err)
		}
	} else if !errors.Is(err, unix.EACCES) {
		t.Errorf("error %v, want EACCES", err)
	}
	ForUser(s, uint32(os.Geteuid()), uint32(os.Getegid()))
	if err := Validate(s, bundle); err != nil {
		t.Errorf("with the owner mapped: %v", err)
	}
}

func TestUnknownCapabilities(t *testing.T) {
	c := &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL", "CAP_X"}, Ambient: []string{"CAP_X", "kill"}}
	if got := strings.Join(UnknownCapabilities(c), " "); got != "CAP_X kill" {
		t.Errorf("got %q", got)
	}
	if got := UnknownCapabilities(nil); got != nil {
		t.Errorf("got %q for none", got)
	}
	if n := len(kernel.Capabilities()); n != unix.CAP_LAST_CAP+1 {
		t.Errorf("%d capabilities, want %d", n, unix.CAP_LAST_CAP+1)
	}
}
