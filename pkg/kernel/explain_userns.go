package kernel

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
)

func usernsMissing(s *sight) (Cause, bool) {
	// The link cannot be hidden by a mount over /proc/self/ns alone without
	// hiding its neighbours, so mnt must be there when user is not.
	var st unix.Stat_t
	if !s.is(unix.EINVAL, unix.EPERM) || unix.Lstat(s.proc("self/ns/mnt"), &st) != nil || unix.Lstat(s.proc("self/ns/user"), &st) == nil {
		return Cause{}, false
	}
	return fill(UsernsMissing, s.exeVars(), "/proc/self/ns/user is missing", s.got("clone")), true
}

const maxUserns = "user.max_user_namespaces"

// usernsOff: every kind of namespace in the clone's flags can be the one that
// has a limit of 0, and the errno is the same.
func usernsOff(s *sight) (Cause, bool) {
	if !s.is(unix.ENOSPC, unix.EUSERS) {
		return Cause{}, false
	}
	if s.sysctl(maxUserns) == "0" {
		return fill(UsernsMax, nil, seen(maxUserns, "0")), true
	}
	for _, kind := range [...]string{"mnt", "pid", "net", "ipc", "uts", "cgroup", "time"} {
		name := "user.max_" + kind + "_namespaces"
		if s.sysctl(name) == "0" {
			return fill(NamespaceMax, []string{"FLAGS", name}, seen(name, "0")), true
		}
	}
	return Cause{}, false
}

// namespaceAlone: all other kinds of namespaces take CAP_SYS_ADMIN (namespaces(7)),
// which a user namespace brings.
func namespaceAlone(s *sight) (Cause, bool) {
	if !s.is(unix.EPERM) || s.self.Has(unix.CAP_SYS_ADMIN) {
		return Cause{}, false
	}
	return fill(NamespaceAlone, nil, fmt.Sprintf("you are uid %d, without CAP_SYS_ADMIN", s.self.EUID)), true
}

// usernsFull: the limit, or the depth. In the initial namespace only the limit
// is in reach. In a nested one the own limit starts at INT_MAX, so the one that
// was hit is further out or it is the depth of 32 (user_namespaces(7); ENOSPC
// since Linux 4.9, EUSERS before).
func usernsFull(s *sight) (Cause, bool) {
	if !s.is(unix.ENOSPC, unix.EUSERS) {
		return Cause{}, false
	}
	limit, err := strconv.ParseUint(s.sysctl(maxUserns), 10, 64)
	count := s.countUserns()
	if err != nil {
		return Cause{}, false
	}
	evidence := []string{seen(maxUserns, strconv.FormatUint(limit, 10)), fmt.Sprintf("%d of them visible to you", count)}
	if s.nested() && count < limit {
		return fill(UsernsDepth, nil, append(evidence, "/proc/self/uid_map is not the host's", s.got("clone"))...), true
	}
	const usual, most = 15000, math.MaxInt32 // the sysctl is an int
	more := min(max(usual, 2*min(limit, most)), most)
	return fill(UsernsLimit, []string{"LIMIT", strconv.FormatUint(more, 10)}, evidence...), true
}

// countUserns counts what /proc shows us: links of processes that are not ours
// cannot be read, so this is a lower bound.
func (s *sight) countUserns() uint64 {
	entries, _ := os.ReadDir(orRoot(s.Proc, "/proc")) // no entries then: a count of 0
	known := map[string]bool{}
	for _, e := range entries {
		if name := e.Name(); name[0] >= '1' && name[0] <= '9' {
			if link, err := os.Readlink(s.proc(name + "/ns/user")); err == nil {
				known[link] = true
			}
		}
	}
	return uint64(len(known))
}

func usernsDebian(s *sight) (Cause, bool) {
	const name = "kernel.unprivileged_userns_clone"
	if !s.is(unix.EPERM) || s.hostRoot() || s.sysctl(name) != "0" {
		return Cause{}, false
	}
	return fill(UsernsDebian, nil, seen(name, "0")), true
}

// usernsChroot: our root is not the root of the mount namespace. Either no
// mount is at our "/", or pid 1 knows the mount that is there by another path;
// mount ids are unique in the system, so an equal id is the same mount.
func usernsChroot(s *sight) (Cause, bool) {
	ours := s.mounts("self")
	if !s.is(unix.EPERM) || len(ours) == 0 {
		return Cause{}, false
	}
	return s.chrooted(ours)
}

// mountChroot: what has no mount at its root cannot say how mounts spread from it (mount(2), EINVAL).
func mountChroot(s *sight) (Cause, bool) {
	ours := s.mounts("self")
	if _, found := mountOf(ours, "/"); found || len(ours) == 0 || !s.is(unix.EINVAL) || s.op.Data != "mount" {
		return Cause{}, false
	}
	return s.chrooted(ours)
}

// chrooted asks process 1, and the processes that we come from: one of them may be outside of the chroot.
func (s *sight) chrooted(ours []mount) (Cause, bool) {
	root, found := mountOf(ours, "/")
	if !found {
		return fill(UsernsChroot, nil, `no mount is at "/" in /proc/self/mountinfo`), true
	}
	for _, pid := range append([]string{"1"}, s.ancestors()...) {
		for _, m := range s.mounts(pid) {
			if m.id == root.id && m.point != "/" {
				return fill(UsernsChroot, []string{"PATH", shellWord(m.point)}, "our / is "+strconv.Quote(m.point)+" for process "+pid), true
			}
		}
	}
	return Cause{}, false
}

// ancestors are the processes that we come from, nearest first, as far as /proc shows them.
func (s *sight) ancestors() (pids []string) {
	pid := "self"
	for range 32 {
		status := read(s.proc(pid + "/status"))
		_, rest, found := strings.Cut(status, "\nPPid:")
		words := strings.Fields(rest)
		if !found || len(words) == 0 || words[0] == "0" {
			break
		}
		pid = words[0]
		pids = append(pids, pid)
	}
	return pids
}

// usernsUnmapped: an unmapped id is shown as the overflow id, which may also be
// mapped for real; only an id outside of the map is evidence.
func usernsUnmapped(s *sight) (Cause, bool) {
	if !s.is(unix.EPERM, unix.EINVAL) || s.self.Err != nil {
		return Cause{}, false
	}
	for _, who := range [...]struct {
		file, name string
		id         uint32
	}{{"uid_map", "uid", s.self.EUID}, {"gid_map", "gid", s.self.EGID}} {
		text, err := proc.ReadFile(s.proc("self/" + who.file))
		if err != nil {
			continue
		}
		if m, err := proc.ParseIDMap(string(text)); err == nil && !m.Has(who.id) {
			return fill(UsernsUnmapped, nil, fmt.Sprintf("%s %d is not in /proc/self/%s", who.name, who.id, who.file)), true
		}
	}
	return Cause{}, false
}

// rootNoSetfcap: verify_root_map in the kernel, Linux 5.12 (db2e718a4798).
func rootNoSetfcap(s *sight) (Cause, bool) {
	if !s.is(unix.EPERM) || s.self.Err != nil || s.self.EUID != 0 || s.self.Has(unix.CAP_SETFCAP) {
		return Cause{}, false
	}
	return fill(IDMapNoSetfcap, nil, fmt.Sprintf("CapEff: %016x has no CAP_SETFCAP", s.self.CapEff)), true
}

// usernsSeccomp: EPERM and EACCES are what profiles answer, ENOSYS what newer
// ones answer to clone3.
func usernsSeccomp(s *sight) (Cause, bool) {
	if !s.is(unix.EPERM, unix.EACCES, unix.ENOSYS) || !s.filtered("unshare") {
		return Cause{}, false
	}
	if s.is(unix.EACCES) && s.appArmorRestricts() {
		return Cause{}, false // no profile in use answers EACCES, AppArmor always does
	}
	return fill(UsernsSeccomp, nil, s.seccompLine(), s.got("clone")), true
}

const appArmorSysctl = "kernel.apparmor_restrict_unprivileged_userns"

// appArmorRestricts: only the unconfined are restricted, and those already in
// the profile they are moved to (unprivileged_userns, Ubuntu 24.04). A profile
// with flags=(unconfined) shows as "name (unconfined)" and is not meant.
func (s *sight) appArmorRestricts() bool {
	label := s.label()
	return s.sysctl(appArmorSysctl) == "1" && !s.hostRoot() &&
		(label == "" || label == "unconfined" || strings.HasPrefix(label, "unprivileged_userns"))
}

// usernsAppArmor explains the clone, and also what is done in the new user
// namespace: on Ubuntu 24.04 the clone works and everything after it fails.
func usernsAppArmor(s *sight) (Cause, bool) {
	inside := s.op.InUserns || s.op.Do == NewUserns || s.op.Do == WriteIDMap
	if !s.is(unix.EPERM, unix.EACCES) || !inside || !s.appArmorRestricts() {
		return Cause{}, false
	}
	label := s.label()
	evidence := []string{seen(appArmorSysctl, "1"), "our AppArmor label is " + pick(label == "", "unconfined", label), s.got(string(s.op.Do))}
	return fill(UsernsAppArmor, s.appArmorVars(), evidence...), true
}

func usernsSELinux(s *sight) (Cause, bool) {
	if !s.is(unix.EACCES) || !s.selinuxEnforcing() {
		return Cause{}, false
	}
	return fill(UsernsSELinux, nil, "/sys/fs/selinux/enforce is 1", "our label is "+s.label(), s.got("clone")), true
}
