package kernel

// Code names a cause for good: scripts and issue reports refer to it, so a code
// is never renamed or reused. Printed as is, for example SBX-USERNS-MAX.
type Code string

// The codes of all causes, grouped by what failed. Their texts are in table.go, and how somebody comes to see each is a row of
// tests/codes_*_test.go.
const (
	UsernsMissing  Code = "SBX-USERNS-MISSING"
	UsernsMax      Code = "SBX-USERNS-MAX"
	UsernsLimit    Code = "SBX-USERNS-LIMIT"
	UsernsDepth    Code = "SBX-USERNS-DEPTH"
	UsernsDebian   Code = "SBX-USERNS-DEBIAN"
	UsernsSeccomp  Code = "SBX-USERNS-SECCOMP"
	UsernsAppArmor Code = "SBX-USERNS-APPARMOR"
	UsernsSELinux  Code = "SBX-USERNS-SELINUX"
	UsernsChroot   Code = "SBX-USERNS-CHROOT"
	UsernsUnmapped Code = "SBX-USERNS-UNMAPPED"
	NamespaceMax   Code = "SBX-NS-MAX"
	NamespaceAlone Code = "SBX-NS-ALONE"

	IDMapNoRange   Code = "SBX-IDMAP-NO-RANGE"
	IDMapNoHelper  Code = "SBX-IDMAP-NO-HELPER"
	IDMapHelper    Code = "SBX-IDMAP-HELPER"
	IDMapNoNew     Code = "SBX-IDMAP-NO-NEW-PRIVS"
	IDMapBounding  Code = "SBX-IDMAP-BOUNDING"
	IDMapNosuid    Code = "SBX-IDMAP-NOSUID"
	IDMapOutside   Code = "SBX-IDMAP-OUTSIDE"
	IDMapNoName    Code = "SBX-IDMAP-NO-NAME"
	IDMapGroup     Code = "SBX-IDMAP-GROUP"
	IDMapNoSetfcap Code = "SBX-IDMAP-NO-SETFCAP"
	IDUnmapped     Code = "SBX-ID-UNMAPPED"
	SetgroupsDeny  Code = "SBX-SETGROUPS"
	DevptsGid      Code = "SBX-DEVPTS-GID"
	MknodRefused   Code = "SBX-MKNOD"
	KernelOld      Code = "SBX-KERNEL-OLD"
	SeccompBlocked Code = "SBX-SECCOMP"
	AppArmorMount  Code = "SBX-APPARMOR"
	SELinuxDenied  Code = "SBX-SELINUX"

	ProcMasked     Code = "SBX-PROC-MASKED"
	ProcHidden     Code = "SBX-PROC-HIDEPID"
	SysfsNoNetns   Code = "SBX-SYSFS-NETNS"
	SysfsMasked    Code = "SBX-SYSFS-MASKED"
	CgroupMount    Code = "SBX-CGROUP-MOUNT"
	OverlayMissing Code = "SBX-OVERLAY-MISSING"
	OverlayLower   Code = "SBX-OVERLAY-LOWER"
	OverlayNested  Code = "SBX-OVERLAY-NESTED"
	OverlayUpper   Code = "SBX-OVERLAY-UPPER"
	MountLocked    Code = "SBX-MOUNT-LOCKED"

	RuntimeFallback Code = "SBX-RUNTIME-FALLBACK"
	RuntimeForeign  Code = "SBX-RUNTIME-FOREIGN"
	RuntimeReadOnly Code = "SBX-RUNTIME-READ-ONLY"
	RuntimeFull     Code = "SBX-RUNTIME-FULL"
	RuntimeAccess   Code = "SBX-RUNTIME-ACCESS"

	ProcessLimit    Code = "SBX-NPROC"
	RlimitHard      Code = "SBX-RLIMIT"
	OOMScore        Code = "SBX-OOM-SCORE"
	KeyringQuota    Code = "SBX-KEYRING-QUOTA"
	CgroupDelegated Code = "SBX-CGROUP-DELEGATION"
	CgroupNoV2      Code = "SBX-CGROUP-V2"
	NetworkNone     Code = "SBX-NETWORK-NONE"
	TunMissing      Code = "SBX-TUN-MISSING"
	TunDenied       Code = "SBX-TUN-DENIED"
	TunModule       Code = "SBX-TUN-MODULE"

	NotSupported Code = "SBX-NOT-SUPPORTED"
	CapsMissing  Code = "SBX-CAPS"

	IDMapMount      Code = "SBX-IDMAP-MOUNT"
	IDMapFilesystem Code = "SBX-IDMAP-FILESYSTEM"
	NamespaceOwner  Code = "SBX-NS-OWNER"
	MountBelow      Code = "SBX-MOUNT-BELOW"

	CgroupController Code = "SBX-CGROUP-CONTROLLER"
	CgroupSystemd    Code = "SBX-CGROUP-SYSTEMD"
	IDMapRange       Code = "SBX-IDMAP-RANGE"
	CgroupDisabled   Code = "SBX-CGROUP-DISABLED"
	CgroupDevices    Code = "SBX-CGROUP-DEVICES"
	LandlockOld      Code = "SBX-LANDLOCK-SCOPE"
	DoorGroup        Code = "SBX-DOOR-GROUP"

	NetworkSeen Code = "SBX-NETWORK-SEEN"

	ProcMissing  Code = "SBX-PROC-MISSING"
	ProcReadOnly Code = "SBX-PROC-READ-ONLY"
	FileLimit    Code = "SBX-NOFILE"

	ImageProgramMissing Code = "SBX-IMAGE-PROGRAM"
)
