package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func find(t *testing.T, all []Finding, feature string) Finding {
	t.Helper()
	for _, f := range all {
		if f.Feature == feature {
			return f
		}
	}
	t.Fatalf("no %s in %+v", feature, all)
	return Finding{}
}

const (
	ownProcs       = "sys/fs/cgroup/user.slice/user-1000.slice/session-1.scope/cgroup.procs"
	ownControllers = "sys/fs/cgroup/user.slice/user-1000.slice/session-1.scope/cgroup.controllers"
)

func TestCheck(t *testing.T) {
	restricted := func(op Op) error {
		switch op.Do {
		case NewUserns:
			return nil
		case WriteIDMap:
			return unix.EPERM
		}
		return ErrNotTried
	}
	works := func(Op) error { return nil }
	cases := []struct {
		name    string
		host    files
		try     func(Op) error
		feature string
		state   State
		code    Code
		says    string
	}{
		{"kernel", nil, nil, "kernel", OK, "", "6.1.0"},
		{"old kernel", files{"proc/sys/kernel/osrelease": "5.4.0\n"}, nil, "kernel", Missing, KernelOld, "not tried, Linux 5.4.0"},
		{"userns works", nil, works, "user namespaces", OK, "", "mounted in it"},
		{"userns not tried", nil, nil, "user namespaces", Unknown, "", "not tried"},
		{"userns off", files{"proc/sys/user/max_user_namespaces": "0\n"}, func(Op) error { return unix.ENOSPC }, "user namespaces", Missing, UsernsMax, "create user namespace"},
		{"userns stripped", files{restrictSysctl: "1\n"}, restricted, "user namespaces", Missing, UsernsAppArmor, "write id map"},
		{"proc masked", files{"proc/self/mountinfo": dockerMounts}, nil, "fresh proc", Missing, ProcMasked, "not tried, the kernel would refuse it"},
		{"proc fresh", nil, nil, "fresh proc", OK, "", "not tried"},
		{"proc tried", files{"proc/self/mountinfo": dockerMounts}, works, "fresh proc", OK, "", "mounted one"},
		{"sysfs masked", files{"proc/self/mountinfo": dockerMounts}, nil, "fresh sysfs", Missing, SysfsMasked, ""},
		{"no mount table", files{"proc/self/mountinfo": "-"}, nil, "fresh proc", Unknown, "", ""},
		{"overlay listed", nil, nil, "overlay in a user namespace", OK, "", "not tried"},
		{"overlay not loaded", files{"proc/filesystems": "nodev\tproc\n"}, nil, "overlay in a user namespace", Unknown, "", "not loaded"},
		{"overlay tried", nil, func(op Op) error { return unix.ENODEV }, "overlay in a user namespace", Missing, "", "no such device"},
		{"cgroup not ours", nil, nil, "cgroup v2", Missing, CgroupDelegated, ""},
		{"cgroup ours", files{"sys/fs/cgroup/user.slice/user-1000.slice/session-1.scope/cgroup.procs": "1\n", "sys/fs/cgroup/user.slice/user-1000.slice/session-1.scope/cgroup.controllers": "memory pids\n"}, nil,
			"cgroup v2", OK, "", "session-1.scope is ours"},
		{"limit with a controller", files{ownProcs: "1\n", ownControllers: "memory pids\n"}, nil, "limit of memory", OK, "", "--memory can be set"},
		{"limit without", files{ownProcs: "1\n", ownControllers: "memory pids\n"}, nil, "limit of cpu", Missing, CgroupController, "no controller cpu in /user.slice/user-1000.slice/session-1.scope"},
		{"limit of version 1", files{ownProcs: "1\n", ownControllers: "memory pids\n", "proc/cgroups": "blkio\t7\t1\t1\n"}, nil, "limit of io", Missing, CgroupNoV2, "no controller io"},
		{"limit without a group", nil, nil, "limit of pids", Missing, "", "cannot be set without a group: see cgroup v2"},
		{"cgroup by systemd", files{"run/user/1000/systemd/private": "", "sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers": "cpu memory pids\n"}, nil,
			"cgroup v2", OK, "", "your systemd gives groups below /user.slice/user-1000.slice/user@1000.service"},
		{"limit by systemd", files{"run/user/1000/systemd/private": "", "sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers": "cpu memory pids\n"}, nil,
			"limit of cpu", OK, "", ""},
		{"limit not delegated", files{"run/user/1000/systemd/private": "", "sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers": "memory pids\n"}, nil,
			"limit of cpuset", Missing, CgroupController, "no controller cpuset in /user.slice/user-1000.slice/user@1000.service"},
		{"no systemd", nil, nil, "outlives the login", OK, "", "no systemd"},
		{"linger", files{"run/systemd/system": "", "var/lib/systemd/linger/ann": ""}, nil, "outlives the login", OK, "", "you linger"},
		{"no linger", files{"run/systemd/system": ""}, nil, "outlives the login", Missing, "", "sudo loginctl enable-linger ann"},
		{"linger of root", with(asRoot, files{"run/systemd/system": ""}), nil, "outlives the login", OK, "", "root"},
		{"cgroup without controllers", files{"sys/fs/cgroup/user.slice/user-1000.slice/session-1.scope/cgroup.procs": ""}, nil, "limit of memory", Missing, CgroupController, "no controller memory"},
		{"cgroup outside", files{"proc/self/cgroup": "0::/../../x\n", "sys/x/cgroup.procs": ""}, nil, "cgroup v2", Missing, CgroupDelegated, ""},
		{"cgroup v1", files{"proc/self/mountinfo": "1 0 0:1 / / rw - ext4 x rw\n3 2 0:3 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"}, nil, "cgroup v2", Missing, CgroupNoV2, ""},
		{"seccomp", with(underFilter, files{"proc/sys/kernel/seccomp/actions_avail": "kill_process errno allow\n"}), nil, "seccomp", OK, "", "Seccomp: 2"},
		{"no seccomp", nil, nil, "seccomp", Missing, "", "no seccomp filters"},
		{"no apparmor", nil, nil, "apparmor", Missing, "", "not active"},
		{"apparmor", files{"sys/module/apparmor/parameters/enabled": "Y\n", "proc/self/attr/current": "unconfined\n"}, nil, "apparmor", OK, "", "label is unconfined"},
		{"apparmor restricts", files{"sys/module/apparmor/parameters/enabled": "Y\n", restrictSysctl: "1\n"}, nil, "apparmor", Limited, UsernsAppArmor, ""},
		{"no selinux", nil, nil, "selinux", Missing, "", ""},
		{"selinux", files{"sys/fs/selinux/enforce": "1", "proc/self/attr/current": "a:b:c:s0"}, nil, "selinux", OK, "", "enforcing, our label is a:b:c:s0"},
		{"no tun", nil, nil, "/dev/net/tun", Missing, TunMissing, ""},
		{"tun", files{"dev/net/tun": ""}, nil, "/dev/net/tun", OK, "", "opened"},
		{"runtime directory", nil, nil, "runtime directory", Limited, RuntimeFallback, "sandbox-1000-0a1b2c3d"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := fakeHost(t, c.host)
			if c.try != nil {
				h.Try = c.try
			}
			f := find(t, h.Check(envOf()), c.feature)
			code := Code("")
			if f.Cause != nil {
				code = f.Cause.Code
			}
			if f.State != c.state || code != c.code || !strings.Contains(f.Detail, c.says) {
				t.Errorf("got %+v %v", f, f.Cause)
			}
		})
	}
}

func TestCheckChangesNothing(t *testing.T) {
	h := fakeHost(t, nil)
	h.Check(envOf())
	left, err := filepath.Glob(filepath.Join(h.Tmp, "sandbox-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left %q %v", left, err)
	}
}

// The host this runs on, whatever it allows: where a user namespace cannot be
// made, an errno must come back and not the name that was never executed.
func TestTryHere(t *testing.T) {
	for _, do := range []Action{NewUserns, WriteIDMap, Mount} {
		err := tryClone(Op{Do: do})
		if errors.Is(err, ErrNotTried) {
			continue // a /proc of another pid namespace
		}
		var errno syscall.Errno
		if err != nil && (!errors.As(err, &errno) || errno == unix.ENAMETOOLONG || errno == unix.ENOENT) {
			t.Errorf("%s: %v", do, err)
		}
		t.Logf("%s: %v", do, err)
	}
	if err := tryClone(Op{Do: MountProc}); !errors.Is(err, ErrNotTried) {
		t.Errorf("got %v", err)
	}
	var ws syscall.WaitStatus
	if pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("a child is left: %d %v", pid, err)
	}
}

// A kernel that answers these calls differently would be blamed on a filter.
func TestMalformedCallsHere(t *testing.T) {
	h := Host{}
	if h.Self().Seccomp != 0 {
		t.Skip("under a filter, which may answer anything")
	}
	for _, c := range malformed {
		errno, want, known := callMalformed(c.name)
		if !known || errno != want && errno != unix.ENOSYS {
			t.Errorf("%s: got %v, want %v", c.name, errno, want)
		}
		if yes, _ := h.askFilter(c.name); yes && errno != unix.ENOSYS {
			t.Errorf("%s: blamed on a filter", c.name)
		}
	}
	if _, known := h.askFilter("brk"); known {
		t.Error("an answer about a call that was never made")
	}
}

func TestCheckHere(t *testing.T) {
	for _, f := range (Host{}).Check(os.Getenv) {
		if f.Feature == "" || f.State == "" || strings.Contains(f.Detail, "\n") {
			t.Errorf("got %+v", f)
		}
		t.Logf("%-28s %-8s %s", f.Feature, f.State, f.Detail)
		if f.Cause != nil {
			t.Log(f.Cause)
		}
	}
}
