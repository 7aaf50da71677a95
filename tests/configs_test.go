package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// full are the fields that `sandbox spec` leaves out and that work here for everybody.
var full = [][2]string{
	{"process.terminal", `false`},
	{"process.args", `["true", "a"]`},
	{"process.consoleSize", `{"height": 24, "width": 80}`},
	{"process.user.umask", `18`},
	{"process.oomScoreAdj", `900`},
	{"process.rlimits.-", `{"type": "RLIMIT_CORE", "hard": 0, "soft": 0}`},
	{"process.scheduler", `{"policy": "SCHED_OTHER", "nice": 15}`},
	{"process.ioPriority", `{"class": "IOPRIO_CLASS_BE", "priority": 4}`},
	{"process.execCPUAffinity", `{"initial": "0", "final": "0"}`},
	{"domainname", `d`},
	{"annotations", `{"a.b": "c", "org.sandbox.limits": "best-effort"}`},
	{"root.readonly", `false`},
	{"mounts.-", `{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777", "size=64k", "tmpcopyup"]}`},
	{"mounts.-", `{"destination": "/mnt", "type": "bind", "source": "rootfs", "options": ["rbind", "ro", "rslave", "rnosuid"]}`},
	{"hooks", `{"prestart": [{"path": "/bin/true", "args": ["a"], "env": ["B=c"], "timeout": 3}], "createRuntime": [{"path": "/bin/true"}],
		"createContainer": [{"path": "/bin/true"}], "startContainer": [{"path": "/bin/true", "args": ["true"], "timeout": 3}],
		"poststart": [{"path": "/bin/true"}], "poststop": [{"path": "/bin/true", "timeout": 3}]}`},
	{"linux.namespaces.-", `{"type": "time"}`},
	{"linux.timeOffsets", `{"monotonic": {"secs": 1, "nanosecs": 2}}`},
	{"linux.sysctl", `{"kernel.msgmax": "8192"}`},
	{"linux.rootfsPropagation", `rprivate`},
	{"linux.personality", `{"domain": "LINUX"}`},
	{"linux.memoryPolicy", `{"mode": "MPOL_DEFAULT"}`},
	{"linux.resources", `{"devices": [{"allow": false, "access": "rwm"}], "memory": {"limit": 100000000, "swap": -1}, "pids": {"limit": 50},
		"cpu": {"shares": 20, "quota": 50000, "period": 100000, "cpus": "0"}, "blockIO": {"weight": 100}, "unified": {"memory.high": "max"}}`},
	{"linux.seccomp", `{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], "flags": ["SECCOMP_FILTER_FLAG_LOG"],
		"syscalls": [{"names": ["mkdir", "ptrace"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
		{"names": ["personality"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 8, "valueTwo": 2, "op": "SCMP_CMP_EQ"}]}]}`},
}

// strangers are refused somewhere, or change the start as a whole, and come one at a time.
var strangers = [][2]string{
	{"process.terminal", `true`},
	{"process.user", `{"uid": 1000, "gid": 1000, "additionalGids": [1, 2]}`},
	{"process.scheduler", `{"policy": "SCHED_FIFO", "priority": 1, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}`},
	{"process.scheduler", `{"policy": "SCHED_DEADLINE", "runtime": 1000000, "deadline": 2000000, "period": 3000000}`},
	{"process.apparmorProfile", `p`},
	{"process.selinuxLabel", `a:b:c:s0`},
	{"root.readonly", `true`},
	{"linux.mountLabel", `a:b:c:s0`},
	{"linux.intelRdt", `{"closID": "a", "schemata": ["MB:0=50"], "enableMonitoring": true}`},
	{"linux.netDevices", `{"nosuch0": {"name": "nosuch1"}}`},
	{"linux.memoryPolicy", `{"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}`},
	{"linux.cgroupsPath", `/ID`},
	{"linux.sysctl", `{"net.ipv4.ip_forward": "1"}`},
	{"linux.devices", `[{"path": "/dev/full", "type": "c", "major": 1, "minor": 7, "fileMode": 438, "uid": 0, "gid": 0}]`},
	{"linux.uidMappings", `[{"containerID": 0, "hostID": 0, "size": 1}]`},
	{"linux.namespaces.-", `{"type": "user"}`},
	{"linux.namespaces.-", `{"type": "network"}`},
	{"linux.namespaces.-", `{"type": "network", "path": "/proc/self/ns/net"}`},
	{"linux.namespaces", `[]`},
	{"linux.namespaces", `[{"type": "mount"}]`},
	{"mounts", `[]`},
	{"mounts.-", `{"destination": "/dev/console", "type": "bind", "source": "rootfs/etc/passwd", "options": ["bind"]}`},
	{"mounts.-", `{"destination": "/", "type": "tmpfs", "source": "tmpfs"}`},
	{"mounts.-", `{"destination": "/mnt", "type": "bind", "source": "rootfs", "options": ["rbind", "idmap"],
		"uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}], "gidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}`},
	{"linux.seccomp", `{"defaultAction": "SCMP_ACT_ERRNO"}`},
	{"linux.seccomp", `{"defaultAction": "SCMP_ACT_KILL_PROCESS"}`},
	{"linux.seccomp", `{"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/nonexistent/agent"}`},
	{"linux.seccomp", `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["execve"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0}]}`},
}

// TestConfigs starts containers of configurations that are wrong in some place, for real: each ends in time, without a
// panic, says at most one line of its own, and leaves nothing behind. What it finds it prints with a seed.
//
//	SANDBOX_TEST_FUZZ=10m hack/test -run TestConfigs   for ten minutes each as all callers, with all refusals there were
//	SANDBOX_TEST_SEED=2217 go test ./tests -run TestConfigs   begins with that one; they count up
//
// As root it needs to be in namespaces of its own, which it makes; the host's tree is read-only there.
func TestConfigs(t *testing.T) {
	m := newMachine()
	m.skipUnless(t, "busybox")
	n := 150
	if testing.Short() || m.try("vm") == nil {
		n = 60
	}
	args := []string{os.Args[0], helperArg + "configs", binary(t), t.TempDir(), strconv.Itoa(n)}
	if self().root() {
		// What a wrong start would change of the host is not the host's.
		args = append(strings.Fields("unshare --mount --uts --ipc --net --pid --fork --kill-child --mount-proc --propagation private --"), args...)
	}
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// configs is who starts them, in a process of its own: what is left of a container becomes its child.
type configs struct {
	bin, dir        string
	base            document
	started, failed int
	found           int
	wrongs          map[string]int // the runtime's own words, for whoever reads them
}

func configsHelper(args []string) error {
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	first, long := uint64(1), time.Duration(0)
	if s := os.Getenv("SANDBOX_TEST_SEED"); s != "" {
		if first, err = strconv.ParseUint(s, 10, 64); err != nil {
			return err
		}
	}
	if s := os.Getenv("SANDBOX_TEST_FUZZ"); s != "" {
		if long, err = time.ParseDuration(s); err != nil {
			return err
		}
	}
	c := &configs{bin: args[0], dir: args[1], wrongs: map[string]int{}}
	if err := errors.Join(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), c.apart(), c.begin()); err != nil {
		return err
	}
	for seed, end := first, time.Now().Add(long); seed < first+uint64(n) || time.Now().Before(end); seed++ {
		if err := c.try(seed); err != nil {
			return err
		}
	}
	return c.summary()
}

func (c *configs) summary() error {
	for _, line := range sortedCounts(c.wrongs) {
		if os.Getenv("SANDBOX_TEST_FUZZ") != "" {
			fmt.Println(line)
		}
	}
	fmt.Printf("%d started, %d were refused or failed\n", c.started, c.failed)
	if c.started == 0 || c.failed == 0 {
		return errors.New("only one of the two proves nothing")
	}
	if c.found > 0 {
		return fmt.Errorf("%d findings", c.found)
	}
	return nil
}

// apart gives root a tree that cannot be written to, but for a directory in memory.
func (c *configs) apart() error {
	if os.Getuid() != 0 {
		return nil
	}
	if os.Getpid() != 1 {
		return errors.New("as root only in namespaces of its own")
	}
	readonly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	// The systemd that one is told of there takes our processes' ids for its own.
	if err := unix.Mount("tmpfs", "/run/systemd", "tmpfs", 0, "mode=755"); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return errors.Join(unix.MountSetattr(unix.AT_FDCWD, "/", 0, &readonly), unix.Mount("tmpfs", c.dir, "tmpfs", 0, "mode=755"))
}

// begin makes what every start shares, and sees that it starts as it is.
func (c *configs) begin() error {
	for _, dir := range []string{"run", "state", "tmp"} {
		if err := os.Mkdir(filepath.Join(c.dir, dir), 0o700); err != nil {
			return err
		}
	}
	if err := makeRootfs(filepath.Join(c.dir, "image")); err != nil {
		return err
	}
	spec := []string{"spec", "-b", c.dir}
	if os.Getuid() != 0 {
		spec = append(spec, "--rootless")
	}
	if r := c.sandbox(spec...); r.status != 0 {
		return errors.New(r.String())
	}
	data, err := os.ReadFile(filepath.Join(c.dir, "config.json"))
	if err != nil {
		return err
	}
	if c.base, err = parseDocument(data); err != nil {
		return err
	}
	for _, field := range full {
		if err := c.base.apply(field[0], put(parseValue(field[1]))); err != nil {
			return err
		}
	}
	if err := c.bundle("base", c.base); err != nil {
		return err
	}
	if r := c.sandbox("run", "-b", c.at("b"), "base"); r.status != 0 || r.text != "" {
		return fmt.Errorf("the configuration to begin with: %v", r)
	}
	return os.RemoveAll(c.at("b"))
}

func (c *configs) at(name string) string { return filepath.Join(c.dir, name) }

// bundle makes a tree of its own for each: a start writes mount points and devices into it.
func (c *configs) bundle(id string, d document) error {
	if err := os.Mkdir(c.at("b"), 0o755); err != nil {
		return err
	}
	if out, err := exec.Command("cp", "-a", c.at("image"), c.at("b/rootfs")).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return os.WriteFile(c.at("b/config.json"), []byte(strings.ReplaceAll(d.text(), `"/ID"`, `"/`+id+`"`)), 0o644)
}

// try starts one. An error is of the test itself; what it finds is printed.
func (c *configs) try(seed uint64) error {
	m := newMutator(seed)
	d := document{copied(c.base.root)}
	var changes []string
	for range 1 + m.IntN(2)*(1+m.IntN(2)) {
		changes = append(changes, m.change(&d, strangers))
	}
	// Mount points in a root that is the tree of groups would be groups of the machine's, and right to stay.
	if root, err := d.get("root.path"); err == nil && root == "/sys/fs/cgroup" {
		_ = d.apply("root.path", put("rootfs"))
	}
	id := fmt.Sprintf("%s-%d", filepath.Base(filepath.Dir(c.dir)), seed)
	if err := c.bundle(id, d); err != nil {
		return err
	}
	before := mountIDs()
	var found []string
	if m.IntN(2) == 0 {
		found = c.run(id)
	} else {
		found = c.create(id)
	}
	found = append(found, c.left(id)...)
	if after := mountIDs(); after != before {
		fmt.Printf("seed %d: %s\nmounts before:\n%s\nafter:\n%s\n", seed, strings.Join(changes, "; "), before, after)
		return errors.New("mounts are left; to go on would be to remove what is below them")
	}
	if len(found) > 0 {
		c.found++
		fmt.Printf("seed %d: %s\n    %s\n", seed, strings.Join(changes, "; "), strings.Join(found, "\n    "))
	}
	return os.RemoveAll(c.at("b"))
}

func (c *configs) run(id string) []string {
	r := c.sandbox("run", "-b", c.at("b"), id)
	c.count(r)
	found := r.wrong(false)
	return append(found, c.state()...)
}

func (c *configs) create(id string) []string {
	r := c.sandbox("create", "-b", c.at("b"), id)
	found := r.wrong(true)
	if r.status != 0 {
		c.count(r)
		return append(found, c.state()...)
	}
	r = c.sandbox("start", id)
	c.count(r)
	found = append(found, r.wrong(true)...)
	r = c.sandbox("delete", "--force", id)
	// A poststop hook that fails is told, and the container is gone all the same.
	if r.status != 0 || r.hung != nil || r.own() != "" && !strings.Contains(r.own(), "poststop") {
		found = append(found, r.wrong(true)...)
		found = append(found, r.String())
	}
	return append(found, c.state()...)
}

func (c *configs) count(r result) {
	if r.status == 0 || r.own() == "" {
		c.started++
		return
	}
	c.failed++
	c.wrongs[fmt.Sprintf("%.200s", strings.ReplaceAll(r.own(), c.dir, "DIR"))]++
}

// state is what the state directory still has, after which it has nothing.
func (c *configs) state() []string {
	list, err := os.ReadDir(c.at("state"))
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, e := range list {
		found = append(found, "left in the state directory: "+e.Name())
		if r := c.sandbox("delete", "--force", e.Name()); r.status != 0 {
			found = append(found, r.String())
		}
	}
	return found
}

func sortedCounts(counts map[string]int) []string {
	var lines []string
	for words, n := range counts {
		lines = append(lines, fmt.Sprintf("%6d %s", n, words))
	}
	slices.Sort(lines)
	slices.Reverse(lines)
	return lines
}
