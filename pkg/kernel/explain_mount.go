package kernel

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func kernelOld(s *sight) (Cause, bool) {
	release := s.release()
	missing := s.is(unix.ENOSYS) && olderThan5(release, 12)
	// Overlay in a user namespace came in 5.11; before, mounting it was EPERM.
	overlay := s.op.Do == MountOverlay && s.op.InUserns && s.is(unix.EPERM) && olderThan5(release, 11)
	if !missing && !overlay {
		return Cause{}, false
	}
	return fill(KernelOld, nil, "this is Linux "+release, s.got(s.call())), true
}

// call is the name of the system call for evidence.
func (s *sight) call() string {
	return pick(s.op.Do == OtherCall && s.op.Data != "", s.op.Data, string(s.op.Do))
}

// appArmorMount: the profile of an outer container answers EACCES to mounts.
func appArmorMount(s *sight) (Cause, bool) {
	label := s.label()
	if !s.is(unix.EACCES) || !strings.HasSuffix(label, "(enforce)") {
		return Cause{}, false
	}
	return fill(AppArmorMount, nil, "our AppArmor label is "+label, s.got(s.call())), true
}

// selinuxDenied: an enforcing host with an unconfined label is every Fedora, and
// there EACCES is more likely the mode of a directory.
func selinuxDenied(s *sight) (Cause, bool) {
	if !s.is(unix.EACCES) || !s.selinuxEnforcing() || strings.Contains(s.label(), "unconfined") {
		return Cause{}, false
	}
	return fill(SELinuxDenied, nil, "/sys/fs/selinux/enforce is 1", "our label is "+s.label(), s.got(s.call())), true
}

// seccompBlocked: a profile may allow mount(2) and not know what is newer.
func seccompBlocked(s *sight) (Cause, bool) {
	calls := []string{"mount", "open_tree", "mount_setattr"}
	switch s.op.Do {
	case OtherCall:
		calls = []string{s.op.Data}
	case NewNamespace:
		calls = []string{"unshare"}
	case JoinNS:
		calls = []string{"setns"}
	}
	if s.op.Call != "" {
		calls = []string{s.op.Call}
	}
	if !s.is(unix.EPERM, unix.EACCES, unix.ENOSYS) || !slices.ContainsFunc(calls, s.filtered) {
		return Cause{}, false
	}
	return fill(SeccompBlocked, nil, s.seccompLine(), s.got(pick(s.op.Call != "", s.op.Call, s.call()))), true
}

// Directories that the kernel made only to be mounted on, below the root of the
// file system. They are empty for ever, so a mount on one hides nothing and
// mount_too_revealing skips it.
var (
	procEmpty  = []string{"/sys/fs/binfmt_misc", "/fs/nfsd", "/openprom"}
	sysfsEmpty = []string{"/fs/cgroup", "/fs/fuse/connections", "/fs/bpf", "/fs/selinux", "/fs/smackfs", "/fs/pstore", "/fs/resctrl",
		"/kernel/debug", "/kernel/tracing", "/kernel/security", "/kernel/config", "/firmware/efi/efivars", "/hypervisor/s390"}
)

// hidden is what keeps a fresh mount of that type from being allowed. It
// follows mnt_already_visible: some mount of the type whose root is whole, that
// is not read-only, with nothing on top except on the empty directories. nil
// when one such mount is there.
func hidden(all []mount, fstype string, empty []string) []string {
	reason := []string{"no whole " + fstype + " is mounted here"}
	for _, m := range all {
		if m.fstype != fstype || m.root != "/" {
			continue
		}
		masks := slices.DeleteFunc(below(all, m.point), func(p string) bool {
			return covered(strings.TrimPrefix(p, m.point), empty)
		})
		if i := slices.IndexFunc(all, func(over mount) bool { return over.parent == m.id && over.point == m.point }); i >= 0 {
			masks = append(masks, m.point)
		}
		switch {
		case len(masks) > 0:
			reason = []string{"mounted over " + fstype + ": " + some(masks)}
		case m.has("ro"):
			reason = []string{m.point + " is read-only"}
		default:
			return nil
		}
	}
	return reason
}

func covered(path string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return under(path, d) })
}

func procMasked(s *sight) (Cause, bool) {
	return masked(s, ProcMasked, "proc", procEmpty)
}

func sysfsMasked(s *sight) (Cause, bool) {
	return masked(s, SysfsMasked, "sysfs", sysfsEmpty)
}

// masked: the check exists only below the initial user namespace.
func masked(s *sight, code Code, fstype string, empty []string) (Cause, bool) {
	all := s.mounts("self")
	if !s.is(unix.EPERM) || !s.nested() || len(all) == 0 {
		return Cause{}, false
	}
	why := hidden(all, fstype, empty)
	if why == nil {
		return Cause{}, false
	}
	return fill(code, nil, why...), true
}

// sysfsNetns and cgroupMount: the new mount shows a namespace, and its owner's
// rights are asked for (kobj_ns_current_may_mount, cgroup_init_fs_context).
func sysfsNetns(s *sight) (Cause, bool) {
	if !s.is(unix.EPERM) || !s.op.InUserns || s.op.OwnNet {
		return Cause{}, false
	}
	return fill(SysfsNoNetns, nil, "the network namespace is the caller's"), true
}

func cgroupMount(s *sight) (Cause, bool) {
	if !s.is(unix.EPERM) || !s.op.InUserns || s.op.OwnCgroup {
		return Cause{}, false
	}
	return fill(CgroupMount, nil, "the cgroup namespace is the caller's"), true
}

// mountLocked: flags that a less privileged namespace cannot take off again.
func mountLocked(s *sight) (Cause, bool) {
	m, found := mountOf(s.mounts("self"), s.op.Path)
	if !found || !s.is(unix.EPERM) || !s.nested() {
		return Cause{}, false
	}
	var locked []string
	for _, flag := range [...]string{"ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime"} {
		if m.has(flag) {
			locked = append(locked, flag)
		}
	}
	if len(locked) == 0 || len(locked) == 1 && locked[0] == "relatime" {
		return Cause{}, false // relatime is every mount's default, no evidence by itself
	}
	flags := strings.Join(locked, ",")
	typed := slices.DeleteFunc(slices.Clone(locked), func(f string) bool { return strings.HasSuffix(f, "atime") }) // -v has none of these
	vars := []string{"TYPED", strings.Join(typed, ","), "PATH", shellWord(s.op.Path), "DEST", shellName(s.op.Dest), "FLAGS", flags, "OPTIONS", without(locked), "PLACE", shellWord(m.point)}
	return fill(MountLocked, append(vars, pick(s.op.Typed, "IFTYPED", "IFBUNDLE"), Holds), m.point+" is mounted "+flags+" outside"), true
}

// without are the options of a remount that takes flags away again (mount(8)).
func without(flags []string) string {
	out := make([]string, 0, len(flags))
	for _, f := range flags {
		switch f {
		case "ro":
			out = append(out, "rw")
		case "relatime": // every mount's default
		default:
			out = append(out, strings.TrimPrefix(f, "no"))
		}
	}
	return strings.Join(out, ",")
}
