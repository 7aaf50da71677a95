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

// Features lists every feature name, in the order of a start.
func Features() []string {
	return []string{
		FeatUserns, FeatIDRange, FeatMountns, FeatPidns, FeatIpcns, FeatUtsns, FeatCgroupns, FeatNetns, FeatTimens,
		FeatProcFresh, FeatSysfsFresh, FeatCgroup, FeatCgroupMemory, FeatCgroupCPU, FeatCgroupPids, FeatCgroupCpuset, FeatCgroupIO,
		FeatSeccomp, FeatAppArmor, FeatSELinux, FeatRlimits, FeatDevices, FeatGroups, FeatKeyring,
		FeatNetwork, FeatCow, FeatTerminal, FeatCaps, FeatOOM, FeatScope, FeatMounts,
	}
}
