package tests

// shownAs is for what another kernel refuses, or a module of it that this one does not have: a filter refuses the call with
// the errno that it has there, and what is read to find out why is mounted over this host's.
func shownAs(code, filter, shown, do, says string) cause {
	return cause{code: code, says: says, do: "filter " + filter + "\nfiltered --userns single -- unshare -m sh -ec '" + shown + "\nexec $SANDBOX_BIN run " + do + "'"}
}

const (
	sysctls  = "mount -t tmpfs none /proc/sys/kernel; echo 6.12.0 >/proc/sys/kernel/osrelease; cd /proc/sys/kernel; "
	label    = "mkdir label; mount -t tmpfs none label; mkdir label/apparmor; mount --rbind label /proc/$$/attr; cd label; "
	selinux  = "mount -t tmpfs none /sys/fs; mkdir /sys/fs/selinux; echo 1 >/sys/fs/selinux/enforce; "
	selabel  = label + "echo system_u:system_r:container_t:s0 >current; cd ..; "
	onlyTree = "--userns single -- true"
)

// shownCodes are about other kernels.
var shownCodes = []cause{
	shownAs("SBX-USERNS-MISSING", "22 userns", "mount -t tmpfs none /proc/$$/ns; : >/proc/$$/ns/mnt", onlyTree, "/proc/self/ns/user is missing, clone answered EINVAL"),
	shownAs("SBX-USERNS-DEBIAN", "1 userns", sysctls+"echo 0 >unprivileged_userns_clone; cd -", onlyTree, "kernel.unprivileged_userns_clone = 0"),
	shownAs("SBX-USERNS-APPARMOR", "13 move_mount", sysctls+"echo 1 >apparmor_restrict_unprivileged_userns; cd - ; "+label+"echo unconfined >apparmor/current; cd ..", onlyTree, "our AppArmor label is unconfined, attach a mount answered EACCES"),
	shownAs("SBX-USERNS-SELINUX", "13 userns", selinux+selabel, onlyTree, "enforce is 1, our label is system_u:system_r:container_t:s0, clone answered EACCES"),
	shownAs("SBX-APPARMOR", "13 move_mount", label+`echo "docker-default (enforce)" >apparmor/current; cd ..`, onlyTree, "our AppArmor label is docker-default .enforce., attach a mount answered EACCES"),
	shownAs("SBX-SELINUX", "13 move_mount", selinux+selabel, onlyTree, "our label is system_u:system_r:container_t:s0, attach a mount answered EACCES"),
	shownAs("SBX-KERNEL-OLD", "38 mount_setattr", "echo 5.10.0 >release; mount --bind release /proc/sys/kernel/osrelease", onlyTree, "this is Linux 5.10.0, "),
	{code: "SBX-OVERLAY-MISSING", says: "overlay is not in /proc/filesystems", do: `
spec= config 'del(.hostname, .linux) | .linux.namespaces = [{type: "mount"}] | .mounts = [{destination: "/mnt", type: "overlay", source: "overlay", options: ["lowerdir=/etc:/usr"]}]'
grep -v overlay /proc/filesystems >systems
filter 19 fsopen
filtered --userns single -- unshare -m sh -ec 'mount --bind systems /proc/filesystems; exec $SANDBOX_BIN run -b . x'`},
}
