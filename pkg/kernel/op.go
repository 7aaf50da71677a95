package kernel

// Action is what was tried when something failed.
type Action string

// The actions that have known causes of failure. The texts are for reading.
const (
	NewUserns    Action = "create user namespace" // the clone or unshare, with all its namespace flags
	NewNamespace Action = "create namespaces"     // the same without a user namespace
	WriteIDMap   Action = "write id map"          // uid_map, gid_map, setgroups; without a helper
	MountProc    Action = "mount proc"
	MountSysfs   Action = "mount sysfs"
	MountCgroup  Action = "mount cgroup2"
	MountOverlay Action = "mount overlay"
	MountDevpts  Action = "mount devpts"
	MountDevice  Action = "mount a device" // a filesystem that no user namespace may mount
	Mount        Action = "mount"          // any other mount, or a copy of one: Path is what is copied
	Attach       Action = "attach a mount" // or move, or pivot: Path is where
	OpenRoot     Action = "open the root"
	Remount      Action = "change mount flags"
	Mknod        Action = "make device node"
	Setgroups    Action = "set groups"
	SetID        Action = "set id"
	Chown        Action = "change owner"
	Setrlimit    Action = "set resource limit"
	SetOOMScore  Action = "set oom_score_adj"
	NewKeyring   Action = "create session keyring"
	UseCgroup    Action = "use cgroup"
	UseRuntime   Action = "use runtime directory"
	OpenTun      Action = "open tun device"
	LookAt       Action = "look at process"           // in /proc, one that we made
	MapMount     Action = "map the owners of a mount" // Path is what is mounted
	JoinNS       Action = "join namespace"            // Path is its file
	SetProfile   Action = "set AppArmor profile"
	SetLabel     Action = "set SELinux label"
	OpenFile     Action = "open a file" // any, where none can be opened any more
	Exec         Action = "exec"        // Path is the program, as it was named
	OtherCall    Action = "call kernel" // any other step
)

// Attempt is what a step of a plan is about ([plan.Step]): what it attempts, and for
// what of config.json.
type Attempt struct {
	Field  string // "mounts[3] (/dev/shm)"; "" where the words of the step say it
	Detail string // what the words and the field leave open: the option of a filesystem
	Op
}

// Op is the operation that failed, with what only its caller knows.
type Op struct {
	Do Action

	// Path is what it acted on: the mount point, the device, the directory; for
	// Remount the source whose flags stayed; for Setrlimit the name (nofile).
	Path string

	// Lower and Upper are the directories of an overlay, absolute and resolved.
	Lower []string
	Upper string

	// Data is the mount's options, or the system call's name for OtherCall.
	Data string

	// Call is the system call that failed, by its name; "" where that is not known, or is in Data.
	Call string

	// UIDs and GIDs are the ids of SetID, Setgroups and Chown; UIDMap and GIDMap are the
	// maps they may not be in, as /proc/PID/uid_map prints one. "" is our own.
	UIDs, GIDs     []uint32
	UIDMap, GIDMap string

	// Want is the limit that was asked for (RLIM_INFINITY is its maximum), or
	// the score, a negative one converted as it is.
	Want uint64

	// Range is how the container could be asked to have more ids than one, "" where it
	// has, or where that was asked for. Short is for whom this host gave none then.
	Range string
	Short *Who

	// Dest is where in the container the mount is whose flags are changed. Typed: it is
	// a flag of the command line's, not of a config.json.
	Dest  string
	Typed bool

	// InUserns: the step ran in a user namespace that this run created. OwnNet
	// and OwnCgroup: also in a network or cgroup namespace of its own.
	InUserns, OwnNet, OwnCgroup bool
}
