package lifecycle

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
	"sandbox/pkg/spec"
)

// failure is a step of a real plan that fails on a host of a kind, and what is said then.
type failure struct {
	code  kernel.Code
	do    kernel.Action
	field string // of config.json, where nothing else tells the step; "" for any
	path  string // what the step acts on; "" for any
	call  string
	errno unix.Errno
	spec  func(*specs.Spec)
	files map[string]string // below /proc and /sys, in place of this host's
	says  []string
}

const (
	twoMounts = "20 1 8:1 / / rw - ext4 /dev/a rw\n21 20 8:2 / /etc/inner rw - ext4 /dev/b rw\n22 20 0:3 / /proc rw - proc proc rw\n23 22 0:4 / /proc/acpi ro - tmpfs tmpfs ro\n24 20 0:5 / /srv ro,nosuid - nfs4 srv:/ rw\n25 20 0:6 / /var rw - overlay overlay rw\n"
	asUser    = "Name:\tx\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t0\nSeccomp:\t0\n"
)

func with(m specs.Mount) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Mounts = append(s.Mounts, m) }
}

// TestExplained lets a step of a real plan fail for each cause that a step can have. What is said comes from what the step
// says of itself, never from its words.
func TestExplained(t *testing.T) {
	needUserns(t)
	bind := with(specs.Mount{Destination: "/mnt", Type: "bind", Source: "/etc", Options: []string{"bind", "ro"}})
	over := with(specs.Mount{Destination: "/mnt", Type: "overlay", Source: "overlay", Options: []string{"lowerdir=/etc", "upperdir=/var/tmp", "workdir=/var/cache"}})
	for name, f := range map[string]failure{
		"uid outside the map": {code: kernel.IDUnmapped, do: kernel.SetID, call: "setresuid", errno: unix.EINVAL,
			spec: func(s *specs.Spec) { s.Process.User.UID = 4000000000 }, says: []string{"become uid 4000000000", "uid 4000000000", "the map is "}},
		"group outside the map": {code: kernel.IDUnmapped, do: kernel.Setgroups, call: "setgroups", errno: unix.EINVAL,
			spec: func(s *specs.Spec) { s.Process.User.AdditionalGids = []uint32{4000000001} }, says: []string{"gid 4000000001"}},
		"setgroups": {code: kernel.SetgroupsDeny, do: kernel.Setgroups, call: "setgroups", errno: unix.EPERM, spec: func(s *specs.Spec) { s.Process.User.AdditionalGids = []uint32{0} }},
		"rlimit": {code: kernel.RlimitHard, do: kernel.Setrlimit, call: "prlimit64", errno: unix.EPERM,
			spec:  func(s *specs.Spec) { s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE", Hard: 7, Soft: 7}} },
			files: map[string]string{"proc/self/limits": "Limit  Soft Limit  Hard Limit  Units\nMax core file size  3  3  bytes\n"},
			says:  []string{"set RLIMIT_CORE", "the hard limit of core is 3", "asked for 7"}},
		"oom score": {code: kernel.OOMScore, do: kernel.SetOOMScore, call: "write", errno: unix.EACCES, spec: func(s *specs.Spec) { score := -7; s.Process.OOMScoreAdj = &score },
			files: map[string]string{"proc/self/oom_score_adj": "100\n"}, says: []string{"asked for -7"}},
		"overlay missing": {code: kernel.OverlayMissing, do: kernel.MountOverlay, path: "/mnt", call: "fsopen", errno: unix.ENODEV, spec: over, files: map[string]string{"proc/filesystems": "nodev\tproc\n"}, says: []string{"(/mnt)"}},
		"overlay lower":   {code: kernel.OverlayLower, do: kernel.MountOverlay, path: "/mnt", call: "fsconfig", errno: unix.EINVAL, spec: lower("/etc", "/data"), says: []string{"below /etc are the mounts /etc/inner"}},
		"overlay nested":  {code: kernel.OverlayNested, do: kernel.MountOverlay, path: "/mnt", call: "fsconfig", errno: unix.EINVAL, spec: over, says: []string{"/var/tmp is on the overlay mounted at /var"}},
		"overlay upper":   {code: kernel.OverlayUpper, do: kernel.MountOverlay, path: "/mnt", call: "fsconfig", errno: unix.EINVAL, spec: lower("/usr", "/srv/up"), says: []string{"/srv/up is on nfs4"}},
		"locked flags": {code: kernel.MountLocked, do: kernel.Remount, path: "/srv", call: "mount_setattr", errno: unix.EPERM,
			spec: with(specs.Mount{Destination: "/mnt", Type: "bind", Source: "/srv", Options: []string{"bind", "nosymfollow"}}), says: []string{"/srv is mounted ro,nosuid outside"}},
		"mounts below": {code: kernel.MountBelow, do: kernel.Mount, path: "/etc", call: "open_tree", errno: unix.EINVAL, spec: bind, says: []string{"bind /etc to /mnt", "below /etc are the mounts /etc/inner"}},
		"a root that is none": {do: kernel.Attach, path: "/mnt", call: "move_mount", errno: unix.EINVAL, spec: bind,
			says: []string{"(/mnt): attach /mnt", "a directory cannot be mounted on a file"}},
		"option": {do: kernel.Mount, path: "/mnt", call: "fsconfig", errno: unix.EINVAL, spec: with(specs.Mount{Destination: "/mnt", Type: "tmpfs", Source: "tmpfs", Options: []string{"size=7", "nr_inodes=9"}}),
			says: []string{`(/mnt): mount tmpfs on /mnt`, "option "}},
		"device": {do: kernel.MountDevice, path: "/mnt", call: "fsopen", errno: unix.EPERM, spec: with(specs.Mount{Destination: "/mnt", Type: "ext4", Source: "/dev/x"}), says: []string{"(/mnt)", "for root of the host to mount"}},
		"sysctl": {field: `linux.sysctl["net.ipv4.ping_group_range"]`, call: "write", errno: unix.EACCES, spec: func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"net.ipv4.ping_group_range": "0 1"} }, says: []string{`linux.sysctl["net.ipv4.ping_group_range"]: set sysctl`}},
		"cwd":    {field: "process.cwd", call: "chdir", errno: unix.ENOENT, says: []string{"process.cwd: change to the working directory"}},
		"moved":  {call: "fstat", errno: unix.ESTALE, spec: bind, says: []string{"as it was when the start began", "was renamed or replaced since"}},
		"old":    {code: kernel.KernelOld, do: kernel.MountOverlay, path: "/mnt", call: "fsopen", errno: unix.ENOSYS, spec: over, files: map[string]string{"proc/sys/kernel/osrelease": "5.4.0\n"}, says: []string{"this is Linux 5.4.0"}},
		"filter": {code: kernel.SeccompBlocked, do: kernel.Attach, path: "/mnt", call: "move_mount", errno: unix.EPERM, spec: bind,
			files: map[string]string{"proc/self/status": strings.Replace(asUser, "Seccomp:\t0", "Seccomp:\t2", 1)}},
		"apparmor": {code: kernel.AppArmorMount, do: kernel.Attach, path: "/mnt", call: "move_mount", errno: unix.EACCES, spec: bind, files: map[string]string{"proc/self/attr/current": "docker-default (enforce)\n"}},
		"selinux":  {code: kernel.SELinuxDenied, do: kernel.Attach, path: "/mnt", call: "move_mount", errno: unix.EACCES, spec: bind, files: map[string]string{"proc/self/attr/current": "container_t\n", "sys/fs/selinux/enforce": "1\n"}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) { f.happens(t) })
	}
}

// lower is an overlay of two layers.
func lower(dir, upper string) func(*specs.Spec) {
	return with(specs.Mount{Destination: "/mnt", Type: "overlay", Source: "overlay", Options: []string{"lowerdir=" + dir + ":/usr", "upperdir=" + upper, "workdir=" + upper}})
}

func (f failure) happens(t *testing.T) {
	r := newRuntime(t)
	o := treeOptions(t, r, "true")
	delete(o.Spec.Annotations, spec.KeepGroups)
	if f.spec != nil {
		f.spec(o.Spec)
	}
	r.Kernel = fakeKernel(t, f.files)
	reached := false
	r.Rewrite = func(p *plan.Plan) {
		for _, s := range p.Steps {
			at, _ := s.What.(kernel.Attempt)
			_, again := s.What.(plan.Again)
			if s.Name == f.call && at.Do == f.do && (f.path == "" || at.Path == f.path) && (f.field == "" || at.Field == f.field) && (f.errno == unix.ESTALE) == again {
				failing(s, f.errno)
				reached = true
			}
		}
	}
	c, err := r.Run(o)
	if err == nil {
		_, _ = c.Wait()
		r.Remove(c)
		t.Fatalf("it ran; the step was there: %v", reached)
	}
	var refusal *kernel.Refusal
	if f.code != "" && (!errors.As(err, &refusal) || refusal.Cause.Code != f.code) {
		t.Errorf("%v has not the cause %s", err, f.code)
	}
	for _, says := range f.says {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%q is not in %v", says, err)
		}
	}
}

// fakeKernel is a host on which a user in a namespace, who may do nothing special, sees some mounts.
func fakeKernel(t *testing.T, files map[string]string) kernel.Host {
	t.Helper()
	all := map[string]string{
		"proc/self/mountinfo": twoMounts, "proc/self/status": asUser, "proc/self/uid_map": "0 100000 65536\n", "proc/self/gid_map": "0 100000 65536\n",
		"proc/filesystems": "nodev\tproc\nnodev\toverlay\n", "proc/sys/kernel/osrelease": "6.12.0\n", "proc/self/setgroups": "deny\n",
	}
	for name, text := range files {
		all[name] = text
	}
	dir := t.TempDir()
	for name, text := range all {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return kernel.Host{Proc: filepath.Join(dir, "proc"), Sys: filepath.Join(dir, "sys")}
}
