package kernel

// entry is one known cause: what a person sees first, why the kernel does it
// (for sandbox explain), and the ways out. The evidence and the {WORDS} come
// from the host.
type entry struct {
	code         Code
	summary, why string
	fixes        []Fix
}

// word is what may stand in braces in a fix.
type word struct {
	name  string
	usual string // what it is where the host did not say; "" leaves the fix out
	bare  string // what `sandbox explain` prints for it
}

var words = [...]word{
	{"EXE", "sandbox", ""}, {"PROFILE", "sandbox", ""}, {"PROFILELINE", "", "PROFILE"}, {"PROFILETEXT", "PROFILE", ""},
	{"NAME", "", "NAME"}, {"UID", "", "UID"}, {"GID", "", "GID"}, {"UIDS", "", "A-B"}, {"GIDS", "", "A-B"},
	{"PATH", "", "PATH"}, {"FLAGS", "", "NAME"}, {"LIMIT", "", "LIMIT"},
	{"PLACE", "", "PLACE"}, {"TYPED", "", "FLAGS"}, {"UNKNOWN", "", "NAME"}, {"DEST", "", "DEST"}, {"OPTIONS", "", "OPTIONS"},
	{"RANGE", "", "--userns=auto, in a bundle linux.uidMappings and linux.gidMappings"},
	// Words that are for some only, and need no value: a fix with one is for these.
	{"IFUSER", "", ""}, {"IFROOT", "", ""}, {"IFMAP", "", ""}, {"IFGROUP", "", ""}, {"IFLIMIT", "", ""}, {"IFTYPED", "", ""}, {"IFBUNDLE", "", ""},
}

// callsNeeded is the rule to add to the seccomp profile of an outer container:
// no more than what a start calls, which is much less than "unconfined".
const callsNeeded = `{
  "names": ["clone", "clone3", "unshare", "setns", "mount", "umount2", "pivot_root", "sethostname",
    "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"],
  "action": "SCMP_ACT_ALLOW"
}`

const podUnconfined = `securityContext:
  seccompProfile: {type: Unconfined}`

const podAppArmor = `securityContext:
  appArmorProfile: {type: Unconfined}`

const podProc = `spec:
  hostUsers: false
  containers:
  - securityContext: {procMount: Unmasked}`

const podEscalation = `securityContext:
  allowPrivilegeEscalation: true`

const podSetid = `securityContext:
  allowPrivilegeEscalation: true
  capabilities: {add: [SETUID, SETGID]}`

const oneID = "--userns=single runs with your own id only, without helpers"

// table is static data: strings and slices only, so the linker lays it out and
// nothing runs at start-up.
var table = []entry{
	{UsernsMissing, "this kernel was built without user namespaces",
		"Without CONFIG_USER_NS only root can create any other namespace, and nothing at run time can change that.",
		[]Fix{{Admin, "boot a kernel with CONFIG_USER_NS=y (every current distribution kernel has it)", ""}, {You, "run it as root: sudo {EXE} ...", ""}}},
	{UsernsMax, "user namespaces are switched off on this host",
		"user.max_user_namespaces is 0: nobody may create one. The setting is the usual hardening of servers.",
		[]Fix{{Admin, "sudo sysctl -w user.max_user_namespaces=15000", "to keep it: echo user.max_user_namespaces=15000 | sudo tee /etc/sysctl.d/90-userns.conf"}}},
	{UsernsLimit, "the limit on user namespaces is reached",
		"The kernel counts user namespaces per user, also those of programs that run no more but whose namespace is held open by a file or a mount. Browsers and other sandboxes count too.",
		[]Fix{{Admin, "sudo sysctl -w user.max_user_namespaces={LIMIT}", ""}, {You, "see who holds them: lsns -t user", ""}}},
	{UsernsDepth, "user namespaces cannot be nested deeper here",
		"The kernel stops at 32 levels, and every level also counts against the limits of the levels outside it, which cannot be seen from in here.",
		[]Fix{{You, "start it from a container further out", ""}, {Admin, "raise user.max_user_namespaces on the outer host: sudo sysctl -w user.max_user_namespaces=15000", ""}}},
	{UsernsDebian, "user namespaces are reserved for root on this host",
		"kernel.unprivileged_userns_clone is a patch of Debian and its relatives (also linux-hardened); 0 makes the clone fail for everyone without CAP_SYS_ADMIN on the host.",
		[]Fix{{Admin, "sudo sysctl -w kernel.unprivileged_userns_clone=1", "to keep it: echo kernel.unprivileged_userns_clone=1 | sudo tee /etc/sysctl.d/90-userns.conf"}}},
	{UsernsSeccomp, "a seccomp filter around us blocks new user namespaces",
		"The container, service or sandbox we run in filters clone and unshare, as the default profiles of Docker and Kubernetes do. The kernel itself was never asked. Filters cannot be removed from inside.",
		[]Fix{{Pod, "docker run --security-opt seccomp=PROFILE.json, with the rule that 'sandbox explain {CODE}' prints added to the default profile", callsNeeded},
			{Pod, "in a sandbox: sandbox run --security-opt seccomp=unconfined, which the inner one then narrows again", ""},
			{Pod, "in Kubernetes securityContext.seccompProfile.type: Unconfined, or Localhost with that rule", podUnconfined}}},
	{UsernsAppArmor, "AppArmor takes all rights away from user namespaces of this program",
		"With kernel.apparmor_restrict_unprivileged_userns=1 (Ubuntu 23.10 and later) a user namespace is useless unless the path of the program has a profile with the rule 'userns,'. Copies outside the packaged path have none. Best keep the binary root-owned: who can replace it inherits the profile.",
		[]Fix{{Admin, "printf '%s\\n' {PROFILELINE} | sudo tee /etc/apparmor.d/{PROFILE} && sudo apparmor_parser -r /etc/apparmor.d/{PROFILE}", "{PROFILETEXT}"},
			{Admin, "for all programs: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0", ""}}},
	{UsernsSELinux, "SELinux refuses this label a user namespace",
		"Since Linux 6.1 a policy can deny user_namespace { create }; it answers EACCES, which no other check of the clone does on a host without AppArmor.",
		[]Fix{{Admin, "see what was denied: sudo ausearch -m avc -c sandbox | audit2allow -M sandbox-userns && sudo semodule -i sandbox-userns.pp", ""}}},
	{UsernsChroot, "user namespaces cannot be created inside a chroot",
		"A chrooted process could leave the chroot from a new user namespace, so the kernel refuses (user_namespaces(7), EPERM).",
		[]Fix{{You, "run it outside of the chroot", ""}, {Admin, "enter the tree with a mount namespace in place of a chroot: sudo systemd-nspawn -D {PATH}, or unshare -m and pivot_root", ""}}},
	{UsernsUnmapped, "your own id is not mapped in the user namespace you are in",
		"A new user namespace must have an owner that its parent knows. Whoever created this namespace left your uid or gid out of the map.",
		[]Fix{{Pod, "map uid and gid of this process, or run it as an id that uid_map and gid_map contain", ""}}},
	{NamespaceMax, "one kind of namespace is switched off on this host",
		"Each kind has its own limit, user.max_*_namespaces; 0 refuses all.",
		[]Fix{{Admin, "sudo sysctl -w {FLAGS}=15000", ""}}},
	{NamespaceAlone, "namespaces without a user namespace are for root to make",
		"A mount, pid or network namespace takes CAP_SYS_ADMIN (namespaces(7)). Who makes a user namespace with them has that there, and linux.namespaces has none.",
		[]Fix{{You, `add {"type": "user"} to linux.namespaces, with linux.uidMappings and linux.gidMappings; "sandbox spec --rootless" writes all of it`, ""}}},

	{IDMapNoRange, "you have no subordinate ids, so one id is all a container gets",
		"/etc/subuid and /etc/subgid give each user a range of ids for containers. Accounts of a directory service often have none.",
		[]Fix{{Admin, "sudo usermod --add-subuids {UIDS} --add-subgids {GIDS} {NAME}", ""}, {You, oneID, ""}}},
	{IDMapRange, "the id map has host ids that are not yours",
		"An ordinary user may map what /etc/subuid and /etc/subgid give to that user, and the own id.",
		[]Fix{{You, "use the ids that are given to you: `sandbox spec --rootless` writes such mappings", ""}}},
	{IDMapNoHelper, "newuidmap and newgidmap are not installed",
		"Only a privileged program may write a map of more than your own id; these two check /etc/subuid and write it.",
		[]Fix{{Admin, "sudo apt install uidmap (Debian, Ubuntu), sudo dnf install shadow-utils (Fedora, RHEL), sudo apk add shadow-uidmap (Alpine)", ""}, {You, oneID, ""}}},
	{IDMapHelper, "newuidmap and newgidmap have lost their privilege",
		"They need setuid root or file capabilities. Copies in image layers, in a Nix store or on file systems without xattrs have neither.",
		[]Fix{{Admin, "sudo setcap cap_setuid+ep $(command -v newuidmap) && sudo setcap cap_setgid+ep $(command -v newgidmap), or sudo chmod u+s on both", ""}, {You, oneID, ""}}},
	{IDMapNoNew, "no_new_privs is set, so newuidmap cannot gain its privilege",
		"no_new_privs makes execve ignore setuid bits and file capabilities and cannot be undone in this process (prctl(2)). Kubernetes sets it for allowPrivilegeEscalation: false.",
		[]Fix{{Pod, "in Kubernetes securityContext.allowPrivilegeEscalation: true; in Docker leave out --security-opt no-new-privileges", podEscalation}, {You, oneID, ""}}},
	{IDMapBounding, "CAP_SETUID or CAP_SETGID is missing from the bounding set",
		"A file can give no capability that the bounding set lacks (capabilities(7)), so newuidmap runs without its privilege.",
		[]Fix{{Pod, "add the capabilities SETUID and SETGID: docker run --cap-add SETUID --cap-add SETGID", podSetid}, {You, oneID, ""}}},
	{IDMapNosuid, "newuidmap is on a file system mounted nosuid",
		"nosuid makes execve ignore setuid bits and file capabilities (mount(8)).",
		[]Fix{{Admin, "sudo mount -o remount,bind,suid $(findmnt -no TARGET -T $(command -v newuidmap)), or install newuidmap and newgidmap on another file system", ""}, {You, oneID, ""}}},
	{IDMapOutside, "ids of the map are not in the user namespace you are in",
		"An inner map can only hold ids that /proc/self/uid_map has. A container that was given 65,536 ids cannot pass on id 100000.",
		[]Fix{{You, "{IFMAP}map only ids that it has: `sandbox spec --rootless` writes such mappings", ""},
			{Admin, "in this container: usermod --add-subuids {UIDS} --add-subgids {GIDS} {NAME}", ""}, {Pod, "give the outer container more ids", ""}, {You, oneID, ""}}},
	{IDMapNoName, "your uid has no passwd entry, so newuidmap refuses to work for you",
		"newuidmap looks its caller up before it reads /etc/subuid. Platforms that give out a random uid have no entry for it.",
		[]Fix{{Pod, "add the uid to /etc/passwd of the image: echo 'user:x:{UID}:{GID}::/:/bin/sh' >> /etc/passwd", ""}, {You, oneID, ""}}},
	{IDMapGroup, "your current group is not that of your passwd entry, so newgidmap refuses to work for you",
		"newuidmap and newgidmap compare the group of their caller with /etc/passwd; newgrp and sg change it.",
		[]Fix{{You, "start from a shell with your own group: leave newgrp or sg, or log in again", ""},
			{Admin, "GRANT_AUX_GROUP_SUBIDS yes in /etc/login.defs", ""}, {You, oneID, ""}}},
	{IDMapNoSetfcap, "root without CAP_SETFCAP may not map itself",
		"Since Linux 5.12 a map that holds uid 0 of the parent namespace needs CAP_SETFCAP there, or file capabilities could be made for it (user_namespaces(7)).",
		[]Fix{{Pod, "add the capability SETFCAP: docker run --cap-add SETFCAP", "securityContext:\n  capabilities: {add: [SETFCAP]}"}, {Pod, "run as another user than root: docker run --user 1000", ""}}},
	{IDUnmapped, "the id is not in the id map of the container",
		"The kernel answers EINVAL to setuid, setgid and chown for an id that the user namespace does not map.",
		[]Fix{{You, "use an id that is mapped", ""}, {You, "give the container a range: {RANGE}", ""}, {Admin, "sudo usermod --add-subuids {UIDS} --add-subgids {GIDS} {NAME}", ""}}},
	{SetgroupsDeny, "supplementary groups cannot be set with a single id",
		"Someone without a privilege may write a gid_map only after setgroups is denied for good, or a negative group permission could be dropped (CVE-2014-8989).",
		[]Fix{{You, "ask for no groups: leave out --group-add, in a bundle process.user.additionalGids", ""}, {You, "give the container a range: {RANGE}", ""}, {Admin, "sudo usermod --add-subuids {UIDS} --add-subgids {GIDS} {NAME}", ""}}},
	{DevptsGid, "the group of new terminals is not in the id map",
		"devpts is usually mounted with gid=5 (tty). With one id there is no gid 5 to own the terminals, so they belong to you.",
		[]Fix{{You, "leave out gid= for /dev/pts", ""}, {You, "give the container a range: {RANGE}", ""}, {Admin, "sudo usermod --add-subuids {UIDS} --add-subgids {GIDS} {NAME}", ""}}},
	{MknodRefused, "device nodes cannot be made here",
		"mknod of a device needs CAP_MKNOD on the host itself, whatever the user namespace grants. The host's node is bind-mounted in its place.",
		[]Fix{{You, "name a device that the host has: --device {PATH}", ""}, {Admin, "make the node on the host, then bind it: sudo mknod {PATH} ...", ""}}},
	{KernelOld, "needs Linux 5.12",
		"mount_setattr(2), the newest system call that a start depends on, came with Linux 5.12.",
		[]Fix{{Admin, "boot Linux 5.12 or newer (Debian 12, Ubuntu 22.04, RHEL 9 and later have it)", ""}}},
	{SeccompBlocked, "a seccomp filter around us blocks a system call",
		"The container, service or sandbox we run in answers the call in place of the kernel. Filters cannot be removed from inside.",
		[]Fix{{Pod, "docker run --security-opt seccomp=PROFILE.json, with the rule that 'sandbox explain {CODE}' prints added to the default profile", callsNeeded},
			{Pod, "in a sandbox: sandbox run --security-opt seccomp=unconfined, which the inner one then narrows again", ""},
			{Pod, "in Kubernetes securityContext.seccompProfile.type: Unconfined, or Localhost with that rule", podUnconfined}}},
	{AppArmorMount, "the AppArmor profile around us denies this",
		"The profile of the container we run in (docker-default, cri-containerd.apparmor.d) denies mount to everyone inside, also in a user namespace of their own.",
		[]Fix{{Pod, "docker run --security-opt apparmor=unconfined; in Kubernetes securityContext.appArmorProfile.type: Unconfined", podAppArmor}}},
	{SELinuxDenied, "the SELinux label around us is denied this",
		"The policy answers EACCES whatever the owner and the mode of the file are.",
		[]Fix{{Admin, "see what was denied: sudo ausearch -m avc -ts recent", ""}, {Pod, "docker or podman run --security-opt label=disable, or label=type:container_engine_t", ""}}},

	{ProcMasked, "a new proc cannot be mounted because the one outside is partly hidden",
		"What the outer container hides or makes read-only in /proc, a fresh proc would show again. The kernel therefore refuses it in a user namespace (mount_too_revealing in fs/namespace.c), also with subset=pid.",
		[]Fix{{Pod, "docker run --security-opt systempaths=unconfined, podman run --security-opt unmask=ALL", podProc}}},
	{ProcHidden, "/proc shows you no processes but your own, and not the new one",
		"With hidepid an ordinary user sees only what could be traced (proc(5)). A process that joins a pid namespace cannot be, so that what is in there already cannot look into it.",
		[]Fix{{You, "give the container a pid namespace of its own: --pid=private, or linux.namespaces without a path for it", ""}, {Admin, "sudo mount -o remount,hidepid=0 /proc (and in /etc/fstab)", ""}}},
	{SysfsNoNetns, "a new sysfs needs a network namespace of its own",
		"/sys shows the network devices of a network namespace, so the kernel asks for CAP_SYS_ADMIN in the owner of that namespace.",
		[]Fix{{You, `give the container its own network: --network=none, or {"type": "network"} in linux.namespaces`, ""}}},
	{SysfsMasked, "a new sysfs cannot be mounted because the one outside is partly hidden",
		"What the outer container hides or makes read-only in /sys, a fresh sysfs would show again (mount_too_revealing in fs/namespace.c).",
		[]Fix{{Pod, "docker run --security-opt systempaths=unconfined, podman run --security-opt unmask=ALL", ""}}},
	{CgroupMount, "a new cgroup2 mount needs a cgroup namespace of its own",
		"The kernel asks for CAP_SYS_ADMIN in the owner of the cgroup namespace.",
		[]Fix{{You, `add {"type": "cgroup"} to linux.namespaces in config.json`, ""}}},
	{OverlayMissing, "this kernel has no overlay file system",
		"Copy-on-write directories are overlay mounts. The module is not built, not installed, or older than the running kernel.",
		[]Fix{{Admin, "sudo modprobe overlay (after a kernel update: reboot first)", ""}}},
	{OverlayLower, "this directory cannot be the lower side of an overlay",
		"Other mounts lie below it. In a user namespace they are locked to their places and overlay cannot take a copy of the directory without them, which is always so for /.",
		[]Fix{{You, "choose a directory without mounts below it, {PATH} has some", ""}}},
	{OverlayNested, "the upper directory of an overlay is itself on an overlay",
		"Overlay keeps its whiteouts as device nodes and xattrs, which an overlay below it would interpret.",
		[]Fix{{You, "put the writable side elsewhere, on a tmpfs or a volume: TMPDIR=/dev/shm", ""}, {Pod, "mount a volume (emptyDir in Kubernetes) at {PATH}", ""}}},
	{OverlayUpper, "the file system cannot hold the upper directory of an overlay",
		"The upper side needs user xattrs (userxattr), d_type and local dentries; network file systems, FAT and most FUSE file systems lack one of these.",
		[]Fix{{You, "put the writable side on a local disk or a tmpfs: TMPDIR=/dev/shm", ""}}},
	{MountLocked, "flags of this mount are locked from outside",
		"A mount that came from a more privileged namespace keeps ro, nosuid, nodev, noexec and the atime flags: mount_namespaces(7).",
		[]Fix{{You, "{IFTYPED}ask for the same flags: -v {PATH}:{DEST}:{TYPED}", ""}, {You, "{IFBUNDLE}ask for the same flags: give the mount at {DEST} in config.json the options {FLAGS}", ""},
			{Admin, "sudo mount -o remount,bind,{OPTIONS} {PLACE}", ""}}},

	{RuntimeFallback, "no runtime directory from a login session, so state is kept in /tmp",
		"XDG_RUNTIME_DIR comes from a login session (pam_systemd). su, sudo, cron and CI jobs have none, or one that belongs to somebody else.",
		[]Fix{{You, "log in with ssh or machinectl shell, or export XDG_RUNTIME_DIR to a directory of yours", ""}, {Admin, "sudo loginctl enable-linger {UID}", ""}}},
	{RuntimeForeign, "the runtime directory is not ours alone",
		"What is in it says which processes to kill and which programs to run. One that others made, as everybody may in /tmp, or that others can write is refused and left alone.",
		[]Fix{{You, "chmod go-w {PATH} where it is yours; else export XDG_RUNTIME_DIR to a directory of yours, or use --root DIR", ""}, {Admin, "look who made it, then: sudo rm -r {PATH}", ""}}},
	{RuntimeReadOnly, "the runtime directory is on a read-only file system",
		"The state of a container is written before it starts.",
		[]Fix{{You, "choose a writable directory: --root DIR, or export XDG_RUNTIME_DIR", ""}, {Pod, "mount a tmpfs (emptyDir with medium: Memory) at {PATH}", ""}}},
	{RuntimeFull, "no space for the runtime directory",
		"The state of a container is written before it starts. Runtime directories are small tmpfs: 10% of memory, or a quota.",
		[]Fix{{You, "see what is there: du -sh {PATH}; then delete stopped containers: sandbox list, sandbox delete ID", ""}, {Admin, "RuntimeDirectorySize= in /etc/systemd/logind.conf", ""}}},
	{RuntimeAccess, "the runtime directory is not writable by you",
		"The state of a container is written before it starts.",
		[]Fix{{You, "choose a directory of yours: --root DIR, or export XDG_RUNTIME_DIR", ""}}},

	{ProcessLimit, "no more processes may be started here",
		"The number of processes and threads is limited for each user (RLIMIT_NPROC, counted over all logins of that user), for each cgroup (pids.max, counted with all groups below) and for the host.",
		[]Fix{{You, "end some of yours: ps -u {UID} shows them", ""}, {You, "raise the limit: ulimit -u {LIMIT}", ""}, {Admin, "{IFLIMIT}raise nproc in /etc/security/limits.conf", ""},
			{Admin, "{IFGROUP}sudo systemctl set-property user-{UID}.slice TasksMax=infinity", ""}, {Pod, "{IFGROUP}run the outer container with a higher --pids-limit", ""}}},
	{RlimitHard, "a resource limit cannot be raised above the hard limit",
		"Raising a hard limit needs CAP_SYS_RESOURCE on the host (getrlimit(2)). A user namespace does not give it.",
		[]Fix{{You, "ask for at most {LIMIT}: --ulimit {FLAGS}={LIMIT}, in a bundle process.rlimits", ""}, {Admin, "raise the hard limit in /etc/security/limits.d/, or Limit...= of the service", ""}}},
	{OOMScore, "oom_score_adj cannot be lowered",
		"Lowering it below what this process was started with needs CAP_SYS_RESOURCE on the host (proc_pid_oom_score_adj(5)).",
		[]Fix{{You, "set oomScoreAdj to {LIMIT} or more, or leave it out", ""}, {Admin, "start the caller with a lower one: OOMScoreAdjust= in its unit", ""}}},
	{KeyringQuota, "no key left in your quota for a session keyring",
		"Each user may own a number of keys (keyrings(7)), and every container takes one. Without it the container shares the caller's keyring.",
		[]Fix{{Admin, "sudo sysctl -w kernel.keys.maxkeys={LIMIT}", ""}, {You, "use no new keyring: --no-new-keyring", ""}}},
	{CgroupDelegated, "no cgroup was delegated to you, so nothing is limited or counted",
		"Limits need a cgroup v2 directory that you may write. systemd delegates one to each login session; a container has one when its cgroup is mounted writable.",
		[]Fix{{You, "{IFUSER}start from a login session, or: systemd-run --user --scope -p Delegate=yes {EXE} ...", ""}, {You, "{IFROOT}systemd-run --scope -p Delegate=yes {EXE} ...", ""},
			{Admin, "{IFUSER}sudo systemctl edit user@.service, with [Service] Delegate=cpu cpuset io memory pids", "[Service]\nDelegate=cpu cpuset io memory pids"},
			{Pod, "mount the cgroup writable: podman run --cgroupns=private --security-opt unmask=/sys/fs/cgroup", ""}}},
	{CgroupNoV2, "this host does not run cgroup v2 alone, so nothing is limited or counted",
		"Only cgroup v2 can be delegated safely. On hybrid hosts the controllers belong to v1.",
		[]Fix{{Admin, "boot with systemd.unified_cgroup_hierarchy=1 (add it to GRUB_CMDLINE_LINUX in /etc/default/grub), on WSL kernelCommandLine = cgroup_no_v1=all in .wslconfig", ""}}},
	{CgroupController, "a limit needs a cgroup controller that was not delegated to you",
		"systemd delegates cpu, memory and pids to a user's manager; cpuset and io have to be asked for. Whoever owns a group passes controllers on to groups below it (cgroup.subtree_control), and not while processes live in it.",
		[]Fix{{Admin, "{IFUSER}sudo systemctl edit user@.service, with [Service] Delegate=cpu cpuset io memory pids; then log out and in", "[Service]\nDelegate=cpu cpuset io memory pids"},
			{Admin, "{IFROOT}give it to the groups below: echo {FLAGS} > {PATH}/cgroup.subtree_control", ""},
			{You, "leave the limit out", ""}}},
	{CgroupSystemd, "systemd was asked for a cgroup and gave none",
		"A container's cgroup is a scope of the user's systemd, or for root of the system's, asked for over D-Bus.",
		[]Fix{{You, "{IFUSER}see whether it works: systemctl --user status (su and sudo have no session: use ssh or machinectl shell)", ""}, {You, "{IFROOT}see whether it works: systemctl status", ""},
			{You, "use a directory of yours or none: --cgroup-manager=cgroupfs, --cgroup-manager=disabled", ""},
			{Admin, "{IFUSER}sudo loginctl enable-linger {NAME}", ""}}},
	{CgroupDisabled, "cgroups were switched off for this container",
		"With --cgroups=disabled, or --cgroup-manager=disabled, a container stays in its caller's cgroup, where nothing is limited or counted for it alone.",
		[]Fix{{You, "start it without that flag", ""}}},
	{CgroupDevices, "the kernel takes no filter of devices from us",
		"Which devices a container of root's may open is decided by a program of type BPF_PROG_TYPE_CGROUP_DEVICE (Linux 4.15, CONFIG_CGROUP_BPF); bpf(2) is refused by many seccomp filters and by kernel lockdown.",
		[]Fix{{Pod, "allow bpf(2) in the seccomp profile of the outer container", ""}, {You, "map root to an ordinary user, who can make no device nodes: --userns=auto as a user, --userns=single as root", ""}}},
	{NetworkNone, "the container has a network of its own with loopback only",
		"Packets leave a new network namespace only through a program that carries them, slirp4netns or pasta, and these need /dev/net/tun.",
		[]Fix{{You, "use the host's network: --network=host (no isolation of the network then)", ""}}},
	{NetworkSeen, "a container that sees this host's processes is given no network of its own",
		"Its network would be held by processes of ours, which are in its user namespace and have this host's network. Root in the container could take over what it sees of them, and reach whatever they reach.",
		[]Fix{{You, "leave out --pid host (in a bundle, have linux.namespaces make a pid namespace)", ""}, {You, "--network none, or --network host without any isolation of the network", ""}}},
	{TunMissing, "there is no /dev/net/tun",
		"A container or pod gets only the devices it was given.",
		[]Fix{{Pod, "docker or podman run --device /dev/net/tun; in Kubernetes a device plugin or a hostPath", ""}, {Admin, "sudo modprobe tun", ""}}},
	{TunDenied, "/dev/net/tun cannot be opened",
		"EACCES is the mode of the node, EPERM the device rules of the cgroup around us.",
		[]Fix{{Admin, "sudo chmod 0666 /dev/net/tun (the mode that udev gives it)", ""}, {Pod, "docker or podman run --device /dev/net/tun", ""}}},
	{TunModule, "the kernel has no tun driver",
		"The node is there but no driver answers: the module is not loaded, or it was removed by an update of the kernel.",
		[]Fix{{Admin, "sudo modprobe tun (after a kernel update: reboot first)", ""}}},
	{NotSupported, "this version of sandbox cannot do it",
		"The configuration asks for something that the host may well allow, but that is not built yet. It is said rather than ignored.",
		[]Fix{{You, "make it fatal with --require, or take it out of the configuration", ""}}},
	{CapsMissing, "the caller does not hold every capability that was asked for",
		"Without a user namespace of its own a container can only get what its caller has, within the caller's bounding set.",
		[]Fix{{You, "leave out {UNKNOWN}, which this kernel does not know", ""},
			{You, "{IFLIMIT}{IFUSER}give it a user namespace, where it holds them all: --userns=auto; in a bundle linux.uidMappings", ""}, {You, "{IFLIMIT}{IFROOT}give it a user namespace, where it holds them all: --userns=single; in a bundle linux.uidMappings", ""},
			{Pod, "docker or podman run --cap-add {FLAGS}", ""}}},

	{IDMapMount, "the owners of files on a mount can only be mapped by who owns the filesystem",
		"An idmapped mount shows files under other owners. The kernel wants CAP_SYS_ADMIN in the user namespace that mounted the filesystem (mount_setattr(2)), for a disk that is the host's root.",
		[]Fix{{You, "leave out idmap, uidMappings and gidMappings of the mount, or run as root on the host", ""}, {Admin, "sudo chown the files to the ids of the container instead", ""}}},
	{IDMapFilesystem, "this filesystem cannot show files under other owners",
		"Idmapped mounts need support in the filesystem; network file systems, FUSE and overlay may lack it (mount_setattr(2)).",
		[]Fix{{You, "leave out idmap, uidMappings and gidMappings of the mount, or use a directory on ext4, xfs, btrfs or tmpfs", ""}}},
	{NamespaceOwner, "the namespace belongs to a user namespace in which we have no rights",
		"setns(2) wants CAP_SYS_ADMIN in the user namespace that owns the namespace, and for all but user namespaces in our own one too.",
		[]Fix{{You, `join the user namespace that owns it as well: {"type": "user", "path": "/proc/PID/ns/user"}`, ""}, {You, "join as the user who made it, or as root: sudo {EXE} ...", ""}}},
	{MountBelow, "a directory with mounts below it can only be bound with them",
		"In a user namespace the mounts that came from outside are locked to each other: without them one could see what they hide (mount_namespaces(7)).",
		[]Fix{{You, "bind it recursively: rbind, and rro instead of ro", ""}}},
	{LandlockOld, "this kernel cannot keep a command from abstract sockets and from other processes by name",
		"Abstract unix sockets belong to the network namespace and have no file whose permissions count: with --network host every one of the host's can be connected to. Landlock keeps them apart from Linux 6.12 on.",
		[]Fix{{You, "leave out --network host and --pid host", ""}, {Admin, "boot Linux 6.12 or later, with landlock among the lsm= it starts", ""}}},
	{DoorGroup, "a group of the caller's opens the host to whoever is in it",
		"Members of docker, podman, incus, lxd and libvirt can have the host's root by asking a service, those of disk and kvm by a device. The sockets are covered and the devices are not there; but the command is in the group, and what such a group may read it can read.",
		[]Fix{{You, "nothing, unless you share such a socket or device with -v or --device", ""}, {Admin, "sudo gpasswd -d {NAME} docker", "and use it through sudo"}}},
}
