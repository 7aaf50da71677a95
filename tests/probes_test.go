package tests

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// machine answers [probe:NAME]. Facts are tried, not read off a version: a kernel's number says nothing about what its
// distribution, its container or its administrator took away.
type machine struct {
	must   []string // names that have to hold here
	say    func(line string)
	probes map[string]func() error
}

func newMachine() *machine {
	return &machine{
		must: strings.FieldsFunc(os.Getenv("SANDBOX_TEST_MUST"), func(r rune) bool { return r == ',' || r == ' ' }),
		// Standard output and a line of its own: hack/test collects these, with and without -v.
		say: func(line string) { fmt.Println(line) },
		probes: map[string]func() error{
			"root":   func() error { return wantUID(os.Getuid() == 0, "the caller is not root") },
			"user":   func() error { return wantUID(os.Getuid() != 0, "the caller is root") },
			"subids": func() error { return self().subids() },
			"userns": func() error { return tryUserns(0) },
			"proc":   func() error { return tryRun("unshare", "-U", "-r", "-p", "-f", "--mount-proc", "true") },
			// A mount namespace of this caller's in which it may mount, with everything of the host's in it.
			"hostmounts": wantHostMounts,
			"scopes":     wantScopes,
			"busybox":    func() error { _, err := busybox(); return err },
			"static":     wantStatic,
			"linked":     wantLinked,
			"seen":       wantSeen,
			"i386":       wantI386,
			"overlay":    func() error { return wantFilesystem("overlay") },
			"cgroup2":    wantCgroup2,
			"group":      wantGroup,
			"memory":     func() error { return wantController("memory") },
			"tun":        func() error { return tryOpen("/dev/net/tun") },
			// A limit above one's own: CAP_SYS_RESOURCE of the host, which containers lack.
			"raise":    func() error { return tryRun("sh", "-c", "ulimit -n 200; ulimit -Hn 300") },
			"fuse":     func() error { return tryOpen("/dev/fuse") },
			"manager":  wantManager,
			"vm":       wantVM,
			"apparmor": func() error { _, err := os.Stat("/sys/kernel/security/apparmor"); return err },
			"resctrl":  func() error { _, err := os.Stat("/sys/fs/resctrl/schemata"); return err },
			"selinux":  func() error { _, err := os.Stat("/sys/fs/selinux/enforce"); return err },
		},
	}
}

// wantScopes is about Landlock, version 6 of its interface (Linux 6.12).
func wantScopes() error {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || abi < 6 {
		return fmt.Errorf("the kernel's Landlock has no scopes: version %d, %w", abi, errno)
	}
	return nil
}

func wantHostMounts() error {
	if os.Getuid() == 0 {
		return tryRun("unshare", "-m", "mount", "--bind", "/etc", "/etc")
	}
	return tryRun("unshare", "-Urm", "mount", "--bind", "/etc", "/etc")
}

// probe reports whether the named fact holds. A false one is said aloud; one that was promised for this machine is an error.
func (m *machine) probe(name string) (bool, error) {
	err := m.try(name)
	if err == nil {
		return true, nil
	}
	if errors.Is(err, errUnknownProbe) {
		return false, err
	}
	if slices.Contains(m.must, name) || slices.Contains(m.must, "all") {
		return false, fmt.Errorf("SANDBOX_TEST_MUST says this machine has %q, but: %w", name, err)
	}
	m.say(fmt.Sprintf("SKIP-PROBE %s: %v", name, err))
	return false, nil
}

var errUnknownProbe = errors.New("no such probe")

func (m *machine) try(name string) error {
	if prog, ok := strings.CutPrefix(name, "exec:"); ok {
		_, err := exec.LookPath(prog)
		return err
	}
	try, ok := m.probes[name]
	if !ok {
		return fmt.Errorf("%w: %q", errUnknownProbe, name)
	}
	return try()
}

// skipUnless is [!probe:NAME] skip for a test that is not a script.
func (m *machine) skipUnless(t *testing.T, name string) {
	t.Helper()
	switch ok, err := m.probe(name); {
	case err != nil:
		t.Fatal(err)
	case !ok:
		t.Skipf("probe %s", name)
	}
}

func wantUID(ok bool, otherwise string) error {
	if ok {
		return nil
	}
	return errors.New(otherwise)
}

// tryUserns makes a user namespace with one id and, in it, the further namespaces of flags.
func tryUserns(flags uintptr) error {
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | flags,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	return cmd.Run()
}

func tryRun(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

func tryOpen(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// wantVM asks for the machine that tests/vm is about. That it is one is said and not looked for: any host could have a systemd.
func wantVM() error {
	if os.Getenv("SANDBOX_TEST_VM") == "" {
		return errors.New("not in the machine of hack/vm")
	}
	return nil
}

func wantFilesystem(name string) error {
	data, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Fields(string(data)), name) {
		return fmt.Errorf("%s is not in /proc/filesystems", name)
	}
	return nil
}

func wantCgroup2() error {
	var fs unix.Statfs_t
	if err := unix.Statfs("/sys/fs/cgroup", &fs); err != nil {
		return err
	}
	if fs.Type != unix.CGROUP2_SUPER_MAGIC {
		return errors.New("/sys/fs/cgroup is not cgroup2")
	}
	return nil
}

// ownGroup is the directory of the group this process is in.
func ownGroup() (string, error) {
	if err := wantCgroup2(); err != nil {
		return "", err
	}
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return "/sys/fs/cgroup" + path, nil
		}
	}
	return "", errors.New("no 0:: line in /proc/self/cgroup")
}

// wantGroup asks for a group of one's own: a systemd that makes one, or a directory to make it in, which is beside the
// present one or below it.
func wantGroup() error {
	if err := wantCgroup2(); err != nil {
		return err
	}
	if wantManager() == nil {
		return nil
	}
	dir, err := ownGroup()
	if err != nil {
		return err
	}
	for _, place := range []string{filepath.Dir(dir), dir} {
		if err = unix.Access(filepath.Join(place, "cgroup.procs"), unix.W_OK); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s and the group above it: %w", dir, err)
}

// wantManager asks for the systemd that makes the caller's groups: the user's own, or for root the system's.
func wantManager() error {
	path := "/run/systemd/private"
	if os.Getuid() != 0 {
		address, ok := strings.CutPrefix(os.Getenv("DBUS_SESSION_BUS_ADDRESS"), "unix:path=")
		if !ok {
			return errors.New("DBUS_SESSION_BUS_ADDRESS names no socket")
		}
		path = address
	}
	return unix.Access(path, unix.W_OK)
}

// wantController asks for a controller in the groups that are made.
func wantController(name string) error {
	dir, err := ownGroup()
	if err != nil {
		return err
	}
	dir = filepath.Dir(dir)
	if wantManager() == nil {
		dir = "/sys/fs/cgroup"
		if uid := os.Getuid(); uid != 0 {
			dir = fmt.Sprintf("/sys/fs/cgroup/user.slice/user-%d.slice/user@%[1]d.service", uid)
		}
	}
	data, err := os.ReadFile(dir + "/cgroup.controllers")
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Fields(string(data)), name) {
		return fmt.Errorf("the %s controller is not delegated to %s", name, dir)
	}
	return nil
}

// busybox finds a busybox that needs no loader: the bundle's root has none.
func busybox() (string, error) {
	for _, path := range []string{os.Getenv("BUSYBOX"), "/bin/busybox", "/usr/bin/busybox"} {
		if static, err := isStatic(path); err == nil && static {
			return path, nil
		}
	}
	return "", errors.New("no static busybox (Debian: busybox-static); BUSYBOX may name one")
}

// isStatic says whether a program runs without a loader.
func isStatic(path string) (bool, error) {
	f, err := elf.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }), nil
}

// wantStatic asks whether this test can itself be the payload of a container: a root of busybox has no loader.
func wantStatic() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	static, err := isStatic(self)
	if err == nil && !static {
		err = errors.New("the test binary needs a loader; build it with CGO_ENABLED=0")
	}
	return err
}

// wantSeen asks whether the scripts' directories are where a sandbox leaves the host's tree as it is. Below /tmp, and in a
// home, it has something empty.
func wantSeen() error {
	dir, err := filepath.EvalSymlinks(os.TempDir())
	if err != nil {
		return err
	}
	hidden := []string{"/tmp", "/var/tmp", "/run", "/dev", "/root", "/home"}
	if home := os.Getenv("HOME"); home != "" && home != "/" {
		hidden = append(hidden, home)
	}
	for _, above := range hidden {
		if dir == above || strings.HasPrefix(dir, above+"/") {
			return fmt.Errorf("the tests' files are in %s, and a sandbox hides what is in %s: run them with another TMPDIR", dir, above)
		}
	}
	return nil
}

// wantLinked asks for a second binary under test, built as a C compiler that is installed has `go build` do it.
func wantLinked() error {
	path := os.Getenv("SANDBOX_LINKED")
	if path == "" {
		return errors.New("SANDBOX_LINKED names no binary that needs a loader")
	}
	static, err := isStatic(path)
	if err == nil && static {
		err = fmt.Errorf("%s needs no loader", path)
	}
	return err
}
