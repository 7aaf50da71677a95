package kernel

// The isolation features of a run, by the names that --require takes. Stable.
const (
	FeatUserns       = "userns"
	FeatIDRange      = "idmap.range"
	FeatMountns      = "mountns"
	FeatPidns        = "pidns"
	FeatIpcns        = "ipcns"
	FeatUtsns        = "utsns"
	FeatCgroupns     = "cgroupns"
	FeatNetns        = "netns"
	FeatTimens       = "timens"
	FeatProcFresh    = "proc.fresh"
	FeatSysfsFresh   = "sysfs.fresh"
	FeatCgroup       = "cgroup" // a group of its own; says nothing about controllers
	FeatCgroupMemory = "cgroup.memory"
	FeatCgroupCPU    = "cgroup.cpu"
	FeatCgroupPids   = "cgroup.pids"
	FeatCgroupCpuset = "cgroup.cpuset"
	FeatCgroupIO     = "cgroup.io"
	FeatSeccomp      = "seccomp"
	FeatAppArmor     = "apparmor"
	FeatSELinux      = "selinux"
	FeatRlimits      = "rlimits"
	FeatDevices      = "devices"
	FeatGroups       = "groups"
	FeatKeyring      = "keyring"
	FeatNetwork      = "network"
	FeatCow          = "cow"
	FeatTerminal     = "terminal"
	FeatCaps         = "capabilities"
	FeatOOM          = "oom"            // the out-of-memory score
	FeatScope        = "landlock.scope" // abstract sockets and signals of its own only
	FeatMounts       = "mounts"         // as asked for; only a loss is recorded
)

// howToAsk is what makes a feature part of a run, where a run has it by being asked.
var howToAsk = map[string]string{
	FeatUserns:       "--userns auto or single; in a bundle linux.namespaces and linux.uidMappings",
	FeatIDRange:      "--userns auto; in a bundle linux.uidMappings of more than one id",
	FeatMountns:      "in a bundle linux.namespaces",
	FeatPidns:        "leave out --pid host; in a bundle linux.namespaces",
	FeatIpcns:        "leave out --ipc host; in a bundle linux.namespaces",
	FeatUtsns:        "leave out --uts host; in a bundle linux.namespaces",
	FeatCgroupns:     "--cgroupns private; in a bundle linux.namespaces",
	FeatNetns:        "leave out --network host; in a bundle linux.namespaces",
	FeatTimens:       "in a bundle linux.namespaces and linux.timeOffsets",
	FeatProcFresh:    "leave out --pid host; in a bundle a mount of proc at /proc",
	FeatSysfsFresh:   "leave out --network host; in a bundle a mount of sysfs at /sys",
	FeatCgroup:       "leave out --cgroups disabled",
	FeatCgroupMemory: "--memory; in a bundle linux.resources.memory",
	FeatCgroupCPU:    "--cpus; in a bundle linux.resources.cpu",
	FeatCgroupPids:   "--pids-limit; in a bundle linux.resources.pids",
	FeatCgroupCpuset: "--cpuset-cpus; in a bundle linux.resources.cpu.cpus",
	FeatCgroupIO:     "--blkio-weight; in a bundle linux.resources.blockIO",
	FeatSeccomp:      "leave out --security-opt seccomp=unconfined; in a bundle linux.seccomp",
	FeatAppArmor:     "--security-opt apparmor=PROFILE; in a bundle process.apparmorProfile",
	FeatSELinux:      "in a bundle process.selinuxLabel",
	FeatKeyring:      "leave out --no-new-keyring",
	FeatNetwork:      "--network slirp4netns or pasta",
	FeatCow:          "--cow, or -v DIR:DIR:O",
	FeatTerminal:     "-t; in a bundle process.terminal",
	FeatScope:        "--network host or --pid host without a bundle",
}

// asAsked says whether a run has a feature by getting what it asks for, be that nothing.
func asAsked(feature string) bool { return howToAsk[feature] == "" }

// Features lists every feature name, in the order of a start.
func Features() []string {
	return []string{
		FeatUserns, FeatIDRange, FeatMountns, FeatPidns, FeatIpcns, FeatUtsns, FeatCgroupns, FeatNetns, FeatTimens,
		FeatProcFresh, FeatSysfsFresh, FeatCgroup, FeatCgroupMemory, FeatCgroupCPU, FeatCgroupPids, FeatCgroupCpuset, FeatCgroupIO,
		FeatSeccomp, FeatAppArmor, FeatSELinux, FeatRlimits, FeatDevices, FeatGroups, FeatKeyring,
		FeatNetwork, FeatCow, FeatTerminal, FeatCaps, FeatOOM, FeatScope, FeatMounts,
	}
}
