package kernel

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

type files map[string]string

const dockerMounts = `600 500 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u
601 600 0:51 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
602 601 0:51 /bus /proc/bus ro,nosuid,nodev,noexec,relatime - proc proc rw
603 601 0:52 / /proc/kcore rw,nosuid - tmpfs tmpfs rw
604 601 0:51 /sys /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw
605 601 0:53 / /proc/acpi ro,relatime - tmpfs tmpfs ro
606 600 0:54 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
607 606 0:55 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw
608 600 254:1 /resolv.conf /etc/resolv.conf ro,nosuid,nodev,relatime - ext4 /dev/vda1 rw
609 606 0:53 / /sys/firmware ro,relatime - tmpfs tmpfs ro
610 600 0:56 / /data rw,relatime - ext4 /dev/vdb rw
`

var (
	underFilter = files{"proc/self/status": changed(userStatus, "Seccomp:\t0", "Seccomp:\t2")}
	nestedMap   = "         0     100000      65536\n"
	nested      = files{"proc/self/uid_map": nestedMap, "proc/self/gid_map": nestedMap, "proc/sys/user/max_user_namespaces": "2147483647\n"}
	rootStatus  = changed(changed(userStatus, "Uid:\t1000\t1000", "Uid:\t0\t0"), "CapEff:\t0000000000000000", "CapEff:\t000001ffffffffff")
)

const restrictSysctl = "proc/sys/kernel/apparmor_restrict_unprivileged_userns"

func with(all ...files) files {
	out := files{}
	for _, f := range all {
		for k, v := range f {
			out[k] = v
		}
	}
	return out
}

// One row for each way to a cause: the host, what failed, and what must be in
// the one line that a person gets.
var explainCases = []struct {
	name  string
	host  files
	op    Op
	errno syscall.Errno
	code  Code // "" when nothing may be claimed
	says  []string
}{
	{"kernel without user namespaces", files{"proc/self/ns/user": "-"}, Op{Do: NewUserns}, unix.EINVAL,
		UsernsMissing, []string{"/proc/self/ns/user is missing", "CONFIG_USER_NS=y", "sudo /home/ann/bin/sandbox"}},
	{"root in a chroot", files{"proc/self/mountinfo": "22 27 0:21 / /proc rw - proc proc rw\n"}, Op{Do: OtherCall, Data: "mount"}, unix.EINVAL,
		UsernsChroot, []string{`no mount is at "/"`}},
	{"EINVAL of a mount elsewhere", nil, Op{Do: OtherCall, Data: "mount"}, unix.EINVAL, "", nil},
	{"chroot that our parent is outside of", files{"proc/self/mountinfo": "90 27 0:70 / / rw - ext4 /dev/vdc rw\n", "proc/self/status": userStatus + "PPid:\t7\n", "proc/7/mountinfo": "90 27 0:70 / /srv/x rw - ext4 /dev/vdc rw\n"},
		Op{Do: NewUserns}, unix.EPERM, UsernsChroot, []string{`our / is "/srv/x" for process 7`, "systemd-nspawn -D /srv/x"}},
	{"proc read-only", nil, Op{Do: WriteIDMap, InUserns: true}, unix.EROFS, ProcReadOnly, []string{"bwrap --proc /proc"}},
	{"too many files", files{"proc/self/limits": "Max open files            20                   24                files\n"}, Op{Do: OpenFile}, unix.EMFILE, FileLimit, []string{"ulimit -Hn is 24", "limits.d"}},
	{"too many files on the host", files{"proc/sys/fs/file-max": "100\n"}, Op{Do: OtherCall, Data: "openat"}, unix.ENFILE, FileLimit, []string{"fs.file-max = 100", "sysctl -w fs.file-max"}},
	{"sysfs covered by something else", files{"proc/self/mountinfo": hostMounts + "40 23 0:99 / /sys rw - tmpfs none rw\n"}, Op{Do: MountSysfs, InUserns: true, OwnNet: true}, unix.EPERM, SysfsMasked, []string{"mounted over sysfs: /sys"}},
	{"EINVAL with user namespaces", nil, Op{Do: NewUserns}, unix.EINVAL, "", nil},
	{"switched off", files{"proc/sys/user/max_user_namespaces": "0\n"}, Op{Do: NewUserns}, unix.ENOSPC,
		UsernsMax, []string{"user.max_user_namespaces = 0", "sudo sysctl -w user.max_user_namespaces=15000"}},
	{"switched off, old errno", files{"proc/sys/user/max_user_namespaces": "0\n"}, Op{Do: NewUserns}, unix.EUSERS, UsernsMax, nil},
	{"limit of 0 does not explain EPERM", files{"proc/sys/user/max_user_namespaces": "0\n"}, Op{Do: NewUserns}, unix.EPERM, "", nil},
	{"limit reached", files{"proc/sys/user/max_user_namespaces": "40\n"}, Op{Do: NewUserns}, unix.ENOSPC,
		UsernsLimit, []string{"user.max_user_namespaces = 40", "0 of them visible", "user.max_user_namespaces=15000", "lsns -t user"}},
	{"limit reached, a high one", files{"proc/sys/user/max_user_namespaces": "96365\n"}, Op{Do: NewUserns}, unix.ENOSPC, UsernsLimit, []string{"user.max_user_namespaces=192730"}},
	{"limit reached, absurd", files{"proc/sys/user/max_user_namespaces": "18446744073709551615\n"}, Op{Do: NewUserns}, unix.ENOSPC, UsernsLimit, []string{"user.max_user_namespaces=2147483647"}},
	{"no sysctl, no claim", files{"proc/sys/user/max_user_namespaces": "-"}, Op{Do: NewUserns}, unix.ENOSPC, "", nil},
	{"other namespace off", files{"proc/sys/user/max_net_namespaces": "0\n"}, Op{Do: NewUserns}, unix.ENOSPC,
		NamespaceMax, []string{"user.max_net_namespaces = 0", "sudo sysctl -w user.max_net_namespaces=15000"}},
	{"other namespace off, alone", files{"proc/sys/user/max_net_namespaces": "0\n"}, Op{Do: NewNamespace}, unix.ENOSPC, NamespaceMax, nil},
	{"no user namespace asked for", nil, Op{Do: NewNamespace}, unix.EPERM, NamespaceAlone, []string{"you are uid 1000", "sandbox spec --rootless"}},
	{"root without a user namespace", files{"proc/self/status": rootStatus}, Op{Do: NewNamespace}, unix.EPERM, "", nil},
	{"nested too deep", nested, Op{Do: NewUserns}, unix.ENOSPC, UsernsDepth, []string{"= 2147483647", "clone answered ENOSPC", "nested deeper"}},
	{"nested too deep, old errno", nested, Op{Do: NewUserns}, unix.EUSERS, UsernsDepth, []string{"EUSERS"}},
	{"debian", files{"proc/sys/kernel/unprivileged_userns_clone": "0\n"}, Op{Do: NewUserns}, unix.EPERM,
		UsernsDebian, []string{"kernel.unprivileged_userns_clone = 0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"}},
	{"debian does not stop root", files{"proc/sys/kernel/unprivileged_userns_clone": "0\n", "proc/self/status": rootStatus}, Op{Do: NewUserns}, unix.EPERM, "", nil},
	{"debian stops nested root", with(nested, files{"proc/sys/kernel/unprivileged_userns_clone": "0\n", "proc/self/status": rootStatus}), Op{Do: NewUserns}, unix.EPERM, UsernsDebian, nil},
	{"debian allows", files{"proc/sys/kernel/unprivileged_userns_clone": "1\n"}, Op{Do: NewUserns}, unix.EPERM, "", nil},
	{"chroot into a directory", files{"proc/self/mountinfo": "22 27 0:21 / /proc rw - proc proc rw\n"}, Op{Do: NewUserns}, unix.EPERM,
		UsernsChroot, []string{`no mount is at "/"`, "run it outside of the chroot"}},
	{"chroot onto a mount", files{"proc/self/mountinfo": "90 27 0:70 / / rw - ext4 /dev/vdc rw\n", "proc/1/mountinfo": hostMounts + `90 27 0:70 / /srv/my\040root rw - ext4 /dev/vdc rw` + "\n"},
		Op{Do: NewUserns}, unix.EPERM, UsernsChroot, []string{`our / is "/srv/my root" for process 1`, `systemd-nspawn -D '/srv/my root'`}},
	{"uid not mapped", files{"proc/self/uid_map": nestedMap, "proc/self/gid_map": nestedMap, "proc/self/status": changed(userStatus, "Uid:\t1000\t1000", "Uid:\t65536\t65536")},
		Op{Do: NewUserns}, unix.EPERM, UsernsUnmapped, []string{"uid 65536 is not in /proc/self/uid_map", "map uid and gid"}},
	{"gid not mapped", files{"proc/self/uid_map": nestedMap, "proc/self/gid_map": "0 1000 1\n"}, Op{Do: NewUserns}, unix.EPERM,
		UsernsUnmapped, []string{"gid 1000 is not in /proc/self/gid_map"}},
	{"map not written yet", files{"proc/self/uid_map": ""}, Op{Do: NewUserns}, unix.EPERM, UsernsUnmapped, nil},
	{"outer filter", underFilter, Op{Do: NewUserns}, unix.EPERM,
		UsernsSeccomp, []string{"Seccomp: 2 in /proc/self/status", "clone answered EPERM", "--security-opt seccomp=", "sandbox explain SBX-USERNS-SECCOMP", "seccompProfile.type"}},
	{"outer filter, clone3", underFilter, Op{Do: NewUserns}, unix.ENOSYS, UsernsSeccomp, []string{"ENOSYS"}},
	{"outer filter with EACCES", underFilter, Op{Do: NewUserns}, unix.EACCES, UsernsSeccomp, nil},
	{"no filter, no claim", nil, Op{Do: NewUserns}, unix.EPERM, "", nil},
	{"apparmor at the clone", files{restrictSysctl: "1\n", "proc/self/attr/current": "unconfined\n"}, Op{Do: NewUserns}, unix.EACCES,
		UsernsAppArmor, []string{"kernel.apparmor_restrict_unprivileged_userns = 1", "label is unconfined",
			"profile home.ann.bin.sandbox \"/home/ann/bin/sandbox\" flags=(unconfined) { userns, }", "/etc/apparmor.d/home.ann.bin.sandbox && sudo apparmor_parser -r"}},
	{"apparmor under a filter", with(underFilter, files{restrictSysctl: "1\n"}), Op{Do: NewUserns}, unix.EACCES, UsernsAppArmor, nil},
	{"apparmor at the map", files{restrictSysctl: "1\n", "proc/self/attr/apparmor/current": "unprivileged_userns (enforce)\n"}, Op{Do: WriteIDMap}, unix.EPERM,
		UsernsAppArmor, []string{"write id map answered EPERM", "unprivileged_userns"}},
	{"apparmor at a mount", files{restrictSysctl: "1\n"}, Op{Do: MountProc, InUserns: true}, unix.EACCES, UsernsAppArmor, []string{"mount proc answered EACCES"}},
	{"apparmor with our profile", files{restrictSysctl: "1\n", "proc/self/attr/current": "home.ann.bin.sandbox (unconfined)\n"}, Op{Do: WriteIDMap}, unix.EPERM, "", nil},
	{"apparmor does not stop root", files{restrictSysctl: "1\n", "proc/self/status": rootStatus}, Op{Do: WriteIDMap}, unix.EPERM, "", nil},
	{"root without setfcap", files{"proc/self/status": changed(rootStatus, "CapEff:\t000001ffffffffff", "CapEff:\t0000000000003dfb")}, Op{Do: WriteIDMap}, unix.EPERM,
		IDMapNoSetfcap, []string{"CapEff: 0000000000003dfb has no CAP_SETFCAP", "--cap-add SETFCAP"}},
	{"apparmor not restricted", files{restrictSysctl: "0\n"}, Op{Do: WriteIDMap}, unix.EPERM, "", nil},
	{"selinux", files{"sys/fs/selinux/enforce": "1", "proc/self/attr/current": "system_u:system_r:container_t:s0:c1,c2\x00"}, Op{Do: NewUserns}, unix.EACCES,
		UsernsSELinux, []string{"/sys/fs/selinux/enforce is 1", "container_t:s0", "audit2allow"}},
	{"selinux permissive", files{"sys/fs/selinux/enforce": "0"}, Op{Do: NewUserns}, unix.EACCES, "", nil},

	{"old kernel", files{"proc/sys/kernel/osrelease": "5.10.0-23-amd64\n"}, Op{Do: OtherCall, Data: "mount_setattr"}, unix.ENOSYS,
		KernelOld, []string{"needs Linux 5.12 [SBX-KERNEL-OLD]: this is Linux 5.10.0-23-amd64", "mount_setattr answered ENOSYS"}},
	{"old kernel, mount", files{"proc/sys/kernel/osrelease": "4.18.0-553.el8\n"}, Op{Do: Mount}, unix.ENOSYS, KernelOld, nil},
	{"new kernel", nil, Op{Do: OtherCall, Data: "mount_setattr"}, unix.ENOSYS, "", nil},
	{"old kernel, overlay", files{"proc/sys/kernel/osrelease": "5.10.0\n"}, Op{Do: MountOverlay, InUserns: true}, unix.EPERM, KernelOld, []string{"5.10.0"}},
	{"mount blocked by a filter", underFilter, Op{Do: Mount, InUserns: true}, unix.EPERM, SeccompBlocked, []string{"Seccomp: 2", "mount answered EPERM", "sandbox explain SBX-SECCOMP"}},
	{"mount_setattr blocked by a filter", underFilter, Op{Do: OtherCall, Data: "mount_setattr"}, unix.ENOSYS, SeccompBlocked, []string{"mount_setattr answered ENOSYS"}},
	{"mount EINVAL is no filter", underFilter, Op{Do: Mount, InUserns: true}, unix.EINVAL, "", nil},
	{"docker's apparmor", files{"proc/self/attr/current": "docker-default (enforce)\n"}, Op{Do: Mount, InUserns: true}, unix.EACCES,
		AppArmorMount, []string{"docker-default (enforce)", "--security-opt apparmor=unconfined", "appArmorProfile.type"}},
	{"selinux container", files{"sys/fs/selinux/enforce": "1", "proc/self/attr/current": "system_u:system_r:container_t:s0"}, Op{Do: Mount}, unix.EACCES,
		SELinuxDenied, []string{"container_t", "label=disable"}},
	{"selinux desktop", files{"sys/fs/selinux/enforce": "1", "proc/self/attr/current": "unconfined_u:unconfined_r:unconfined_t:s0"}, Op{Do: Mount}, unix.EACCES, "", nil},

	{"masked proc", files{"proc/self/mountinfo": dockerMounts}, Op{Do: MountProc, InUserns: true}, unix.EPERM,
		ProcMasked, []string{"/proc/bus /proc/kcore /proc/sys and 1 more", "systempaths=unconfined", "unmask=ALL"}},
	{"read-only proc", files{"proc/self/mountinfo": "1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / /proc ro,relatime - proc proc rw\n"}, Op{Do: MountProc, InUserns: true}, unix.EPERM,
		ProcMasked, []string{"/proc is read-only"}},
	{"proc of a part only", files{"proc/self/mountinfo": "1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 /sys /proc/sys rw - proc proc rw\n"}, Op{Do: MountProc, InUserns: true}, unix.EPERM,
		ProcMasked, []string{"no whole proc is mounted here"}},
	{"binfmt_misc hides nothing", nil, Op{Do: MountProc, InUserns: true}, unix.EPERM, "", nil},
	{"masked proc does not stop root", files{"proc/self/mountinfo": dockerMounts}, Op{Do: MountProc}, unix.EPERM, "", nil},
	{"sysfs without a network", nil, Op{Do: MountSysfs, InUserns: true}, unix.EPERM, SysfsNoNetns, []string{"network namespace is the caller's", "--network=none"}},
	{"masked sysfs", files{"proc/self/mountinfo": dockerMounts}, Op{Do: MountSysfs, InUserns: true, OwnNet: true}, unix.EPERM, SysfsMasked, []string{"/sys/firmware", "unmask=ALL"}},
	{"sysfs with all it needs", nil, Op{Do: MountSysfs, InUserns: true, OwnNet: true}, unix.EPERM, "", nil},
	{"cgroup2 without a namespace", nil, Op{Do: MountCgroup, InUserns: true}, unix.EPERM, CgroupMount, []string{`{"type": "cgroup"}`}},
	{"overlay not built", files{"proc/filesystems": "nodev\tproc\n\text4\n"}, Op{Do: MountOverlay, InUserns: true}, unix.ENODEV,
		OverlayMissing, []string{"/proc/filesystems", "6.1.0-18-amd64", "sudo modprobe overlay"}},
	{"overlay over the root", nil, Op{Do: MountOverlay, InUserns: true, Lower: []string{"/"}, Upper: "/tmp/u"}, unix.EINVAL,
		OverlayLower, []string{"below / are the mounts /proc /sys", "and 3 more"}},
	{"overlay over a mount point", nil, Op{Do: MountOverlay, InUserns: true, Lower: []string{"/usr", "/home/ann"}, Upper: "/tmp/u"}, unix.EINVAL,
		OverlayLower, []string{"below /home/ann are the mounts /home/ann/nfs"}},
	{"a name that only starts alike", nil, Op{Do: MountOverlay, InUserns: true, Lower: []string{"/home/ann/nf"}, Upper: "/tmp/u"}, unix.EINVAL, "", nil},
	{"overlay on overlay", files{"proc/self/mountinfo": dockerMounts}, Op{Do: MountOverlay, InUserns: true, Lower: []string{"/"}, Upper: "/var/u"}, unix.EINVAL,
		OverlayNested, []string{"/var/u is on the overlay mounted at /", "at /var/u", "emptyDir"}},
	{"upper on a volume", files{"proc/self/mountinfo": dockerMounts}, Op{Do: MountOverlay, InUserns: true, Lower: []string{"/usr"}, Upper: "/data/u"}, unix.EINVAL, "", nil},
	{"upper on nfs", nil, Op{Do: MountOverlay, InUserns: true, Lower: []string{"/usr"}, Upper: "/home/ann/nfs/u"}, unix.EINVAL,
		OverlayUpper, []string{"/home/ann/nfs/u is on nfs4", "TMPDIR=/dev/shm"}},
	{"locked flags", files{"proc/self/mountinfo": dockerMounts}, Op{Do: Remount, InUserns: true, Typed: true, Path: "/etc/resolv.conf", Dest: "/r"}, unix.EPERM,
		MountLocked, []string{"/etc/resolv.conf is mounted ro,nosuid,nodev,relatime outside", "-v /etc/resolv.conf:/r:ro,nosuid,nodev", "sudo mount -o remount,bind,rw,suid,dev /etc/resolv.conf"}},
	{"no flags to lock", nil, Op{Do: Remount, InUserns: true, Path: "/usr"}, unix.EPERM, "", nil},

	{"setuid outside the map", nil, Op{Do: SetID, InUserns: true, UIDs: []uint32{33}, UIDMap: "0 1000 1\n", Range: "--userns=auto"}, unix.EINVAL, IDUnmapped, []string{"uid 33, the map is 0 1000 1", "give the container a range: --userns=auto"}},
	{"owner outside the map", nil, Op{Do: Chown, InUserns: true, UIDs: []uint32{0}, UIDMap: "0 1 1", GIDs: []uint32{42}, GIDMap: "0 1000 1\n", Path: "/dev/tty"}, unix.EINVAL, IDUnmapped, []string{"gid 42, the map is 0 1000 1, for /dev/tty"}},
	{"id inside the map", nil, Op{Do: SetID, InUserns: true, UIDs: []uint32{33}, UIDMap: nestedMap}, unix.EINVAL, "", nil},
	{"setgroups denied", nil, Op{Do: Setgroups, InUserns: true, Short: &Who{Name: "ann", UID: 1000}}, unix.EPERM, SetgroupsDeny, []string{"setgroups answered EPERM", "usermod --add-subuids 66060288-66125823 --add-subgids 66060288-66125823 ann"}},
	{"setgroups denied outside", files{"proc/self/setgroups": "deny\n"}, Op{Do: Setgroups}, unix.EPERM, SetgroupsDeny, []string{"/proc/self/setgroups is deny"}},
	{"setgroups without privilege", nil, Op{Do: Setgroups}, unix.EPERM, "", nil},
	{"group outside the map", nil, Op{Do: Setgroups, InUserns: true, GIDs: []uint32{0, 7}, GIDMap: "0 1000 1"}, unix.EINVAL, IDUnmapped, []string{"gid 7"}},
	{"devpts gid=5", nil, Op{Do: MountDevpts, InUserns: true, Data: "newinstance,ptmxmode=0666,gid=5", GIDMap: "0 1000 1"}, unix.EINVAL, DevptsGid, []string{"gid=5 in the options", "leave out gid="}},
	{"devpts gid=5 is mapped", nil, Op{Do: MountDevpts, InUserns: true, Data: "gid=5", GIDMap: nestedMap}, unix.EINVAL, "", nil},
	{"devpts without gid", nil, Op{Do: MountDevpts, InUserns: true, Data: "newinstance"}, unix.EINVAL, "", nil},
	{"idmapped bind by a user", nil, Op{Do: MapMount, InUserns: true, Path: "/usr"}, unix.EPERM, IDMapMount, []string{"we do not hold CAP_SYS_ADMIN", "leave out idmap"}},
	{"idmapped bind by a nested root", files{"proc/self/status": rootStatus}, Op{Do: MapMount, Path: "/usr"}, unix.EPERM, IDMapMount, []string{"/usr is not a filesystem of our user namespace"}},
	{"idmapped bind of nfs", nil, Op{Do: MapMount, Path: "/home/ann/nfs/u"}, unix.EINVAL, IDMapFilesystem, []string{"/home/ann/nfs/u is on nfs4"}},
	{"bind of a part", nil, Op{Do: Mount, InUserns: true, Path: "/home/ann"}, unix.EINVAL, MountBelow, []string{"below /home/ann are the mounts /home/ann/nfs", "rbind"}},
	{"bind of nothing", nil, Op{Do: Mount, InUserns: true, Path: "/home/bob"}, unix.EINVAL, "", nil},
	{"somebody's namespace", nil, Op{Do: JoinNS, Path: "/proc/self/ns/net"}, unix.EPERM, NamespaceOwner, []string{"/proc/self/ns/net is owned", "/proc/PID/ns/user"}},
	{"a namespace that has gone", nil, Op{Do: JoinNS, Path: "/nothing"}, unix.EPERM, "", nil},
	{"mknod in a namespace", nil, Op{Do: Mknod, InUserns: true, Path: "/dev/fuse"}, unix.EPERM, MknodRefused, []string{"/dev/fuse", "--device /dev/fuse"}},
	{"mknod without the capability", nil, Op{Do: Mknod, Path: "/dev/fuse"}, unix.EPERM, MknodRefused, []string{"CapEff: 0000000000000000 has no CAP_MKNOD"}},
	{"mknod as root", files{"proc/self/status": rootStatus}, Op{Do: Mknod, Path: "/dev/fuse"}, unix.EPERM, "", nil},

	{"nofile above the hard limit", nil, Op{Do: Setrlimit, Path: "RLIMIT_NOFILE", Want: 65536}, unix.EPERM,
		RlimitHard, []string{"the hard limit of nofile is 4096, asked for 65536", "--ulimit nofile=4096"}},
	{"no process left", files{"proc/self/limits": "Max processes             40                   63000                processes\n"}, Op{Do: NewUserns}, unix.EAGAIN,
		ProcessLimit, []string{"ulimit -u is 40;", "ulimit -u 63000"}},
	{"EAGAIN of another call", files{"proc/self/limits": "Max processes             40                   63000                processes\n"}, Op{Do: OtherCall, Data: "read"}, unix.EAGAIN, "", nil},
	{"no process left in a group above", files{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/pids.max": "7\n", "sys/fs/cgroup/a/pids.current": "7\n",
		"sys/fs/cgroup/a/b/pids.max": "max\n", "sys/fs/cgroup/a/b/pids.current": "5\n"}, Op{Do: OtherCall, Data: "clone"}, unix.EAGAIN,
		ProcessLimit, []string{"pids.max = 7 in the cgroup /a;", "user-1000.slice"}},
	{"nofile unlimited", nil, Op{Do: Setrlimit, Path: "nofile", Want: math.MaxUint64}, unix.EPERM, RlimitHard, []string{"asked for unlimited"}},
	{"nofile within the hard limit", nil, Op{Do: Setrlimit, Path: "nofile", Want: 4096}, unix.EPERM, "", nil},
	{"nofile above fs.nr_open", files{"proc/self/limits": "Max open files            unlimited            unlimited            files\n"}, Op{Do: Setrlimit, Path: "nofile", Want: 2000000}, unix.EPERM,
		RlimitHard, []string{"fs.nr_open = 1048576"}},
	{"cpu has no limit", nil, Op{Do: Setrlimit, Path: "cpu", Want: math.MaxUint64}, unix.EPERM, "", nil},
	{"oom score lowered", nil, Op{Do: SetOOMScore, Want: ^uint64(499)}, unix.EACCES, OOMScore, []string{"/proc/self/oom_score_adj is 200", "asked for -500", "oomScoreAdj to 200 or more"}},
	{"oom score raised", nil, Op{Do: SetOOMScore, Want: 500}, unix.EACCES, "", nil},
	{"keys used up", nil, Op{Do: NewKeyring}, unix.EDQUOT, KeyringQuota, []string{"200 of 200 keys of uid 1000", "kernel.keys.maxkeys = 200", "kernel.keys.maxkeys=2000", "--no-new-keyring"}},
	{"keys of others", files{"proc/key-users": "    0:    46 45/45 33/1000000 864/25000000\n"}, Op{Do: NewKeyring}, unix.EDQUOT, "", nil},
	{"not delegated", nil, Op{Do: UseCgroup}, unix.EACCES, CgroupDelegated, []string{"/user.slice/user-1000.slice/session-1.scope", "systemd-run --user --scope -p Delegate=yes /home/ann/bin/sandbox", "Delegate=cpu cpuset io memory pids"}},
	{"cgroup read-only", files{"proc/self/mountinfo": dockerMounts, "proc/self/cgroup": "0::/\n"}, Op{Do: UseCgroup}, unix.EROFS, CgroupDelegated, []string{"/sys/fs/cgroup is mounted read-only"}},
	{"hybrid", files{"proc/self/mountinfo": "1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / /sys/fs/cgroup ro - tmpfs t ro\n3 2 0:3 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n4 2 0:4 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"},
		Op{Do: UseCgroup}, unix.EACCES, CgroupNoV2, []string{"cgroups mounted: hybrid", "systemd.unified_cgroup_hierarchy=1"}},
	{"cgroup busy", nil, Op{Do: UseCgroup}, unix.EBUSY, "", nil},

	{"runtime directory read-only", nil, Op{Do: UseRuntime, Path: "/run/x"}, unix.EROFS, RuntimeReadOnly, []string{": /run/x;", "--root DIR", "at /run/x"}},
	{"runtime directory full", nil, Op{Do: UseRuntime, Path: "/"}, unix.ENOSPC, RuntimeFull, []string{"left", "du -sh /;"}},
	{"runtime directory over quota", nil, Op{Do: UseRuntime, Path: "/"}, unix.EDQUOT, RuntimeFull, []string{"EDQUOT"}},
	{"hidden in proc", files{"proc/self/mountinfo": "1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / /proc rw - proc proc rw,hidepid=invisible\n"}, Op{Do: LookAt}, unix.ENOENT,
		ProcHidden, []string{"/proc is mounted with hidepid=invisible", "open answered ENOENT", "hidepid=0"}},
	{"hidden in proc, old words", files{"proc/self/mountinfo": "2 1 0:2 / /proc rw - proc proc rw,gid=4,hidepid=1\n"}, Op{Do: LookAt}, unix.EPERM, ProcHidden, nil},
	{"proc hides nothing", files{"proc/self/mountinfo": "2 1 0:2 / /proc rw - proc proc rw,hidepid=off\n"}, Op{Do: LookAt}, unix.ENOENT, "", nil},
	{"runtime directory of another", nil, Op{Do: UseRuntime, Path: "/run/x"}, unix.EACCES, RuntimeAccess, []string{"/run/x, you are uid 1000"}},
	{"runtime directory, other error", nil, Op{Do: UseRuntime, Path: "/run/x"}, unix.EIO, "", nil},
	{"no tun", nil, Op{Do: OpenTun}, unix.ENOENT, TunMissing, []string{"--device /dev/net/tun"}},
	{"tun denied", nil, Op{Do: OpenTun}, unix.EPERM, TunDenied, []string{"EPERM", "chmod 0666"}},
	{"tun module", nil, Op{Do: OpenTun}, unix.ENODEV, TunModule, []string{"reboot", "6.1.0-18-amd64"}},
}

func TestExplain(t *testing.T) {
	for _, c := range explainCases {
		t.Run(c.name, func(t *testing.T) {
			h := fakeHost(t, c.host)
			below := fmt.Errorf("step 3: %w", c.errno)
			got, ok := h.Explain(c.op, below)
			if ok != (c.code != "") || got.Code != c.code {
				t.Fatalf("got %v %s, want %q", ok, got, c.code)
			}
			if err := h.Because(c.op, below); !errors.Is(err, c.errno) || (err != below) != ok { //nolint:errorlint // whether it was wrapped is the question
				t.Errorf("Because: %v", err)
			}
			if !ok {
				return
			}
			line := got.String()
			assertQuiet(t, line)
			if len(got.Evidence) == 0 {
				t.Errorf("no evidence: %s", line)
			}
			for _, s := range c.says {
				if !strings.Contains(line, s) {
					t.Errorf("%q is not in %s", s, line)
				}
			}
		})
	}
}

// Every cause that an errno can have is reached by a row above; the others are
// made by name.
func TestEveryCauseHasACase(t *testing.T) {
	seen := map[Code]bool{
		ProcMissing: true, NetworkNone: true, NetworkSeen: true, NotSupported: true, CapsMissing: true, CgroupController: true, CgroupSystemd: true, CgroupDisabled: true, CgroupDevices: true, LandlockOld: true, DoorGroup: true, ImageProgramMissing: true, // no errno: New
		RuntimeFallback: true, RuntimeForeign: true, // runtimedir_test.go
		IDMapNoRange: true, IDMapRange: true, IDMapNoHelper: true, IDMapHelper: true, IDMapNoNew: true, // idmap_test.go
		IDMapBounding: true, IDMapNosuid: true, IDMapOutside: true,
		IDMapNoName: true, IDMapGroup: true,
	}
	for _, c := range explainCases {
		seen[c.code] = true
	}
	for _, c := range List() {
		if !seen[c.Code] {
			t.Errorf("%s has no test", c.Code)
		}
	}
}

func TestExplainOtherErrors(t *testing.T) {
	h := fakeHost(t, nil)
	plain := errors.New("no errno")
	if _, ok := h.Explain(Op{Do: NewUserns}, plain); ok {
		t.Error("explained an error without an errno")
	}
	if _, ok := h.Explain(Op{Do: "dance"}, unix.EPERM); ok {
		t.Error("explained an unknown action")
	}
	if h.Because(Op{Do: NewUserns}, nil) != nil || h.Because(Op{Do: NewUserns}, plain) != plain { //nolint:errorlint // the very same error, unwrapped
		t.Error("Because made something of nothing")
	}
	first := &Refusal{New(UsernsMax), unix.ENOSPC}
	if err := h.Because(Op{Do: UseRuntime}, first); err != error(first) { //nolint:errorlint // the very same error, unwrapped
		t.Errorf("a second cause on top of the first: %v", err)
	}
	if c, ok := h.Explain(Op{Do: UseRuntime}, first); !ok || c.Code != UsernsMax {
		t.Errorf("got %v %v", c, ok)
	}
}

// A host without /proc, or with garbage in it, explains nothing by it.
func TestExplainWithoutEvidence(t *testing.T) {
	garbage := files{}
	for name := range plainHost {
		garbage[name] = "\x00garbage 99999999999999999999 \\777\n - \n"
	}
	empty := Host{Proc: t.TempDir(), Sys: t.TempDir()}
	for _, h := range []Host{empty, fakeHost(t, garbage)} {
		for _, do := range []Action{NewUserns, WriteIDMap, MountProc, MountOverlay, Remount, Setrlimit, SetOOMScore, NewKeyring, OtherCall} {
			for errno := syscall.Errno(1); errno < 134; errno++ {
				if errno == unix.EMFILE || errno == unix.ENFILE || errno == unix.EROFS && do == WriteIDMap {
					continue // evidence enough by themselves
				}
				if c, ok := h.Explain(Op{Do: do, Path: "/x"}, errno); ok {
					t.Errorf("%s %v: claimed %s", do, errno, c)
				}
			}
		}
	}
}

// The filter's own answer decides where it can be asked for.
func TestFilterIsAsked(t *testing.T) {
	h := fakeHost(t, underFilter)
	h.Filtered = func(call string) (bool, bool) { return call == "mount", true }
	if c, ok := h.Explain(Op{Do: NewUserns}, unix.EPERM); ok {
		t.Errorf("blamed a filter that lets unshare pass: %s", c)
	}
	h = fakeHost(t, files{"proc/self/status": changed(rootStatus, "Seccomp:\t0", "Seccomp:\t2")})
	for call, do := range map[string]Action{"mount": Mount, "open_tree": OpenRoot, "mount_setattr": Attach, "setns": JoinNS, "unshare": NewNamespace} {
		h.Filtered = func(asked string) (bool, bool) { return asked == call, true }
		if c, _ := h.Explain(Op{Do: do}, unix.EPERM); c.Code != SeccompBlocked {
			t.Errorf("%s: got %s", call, c)
		}
	}
}
