package state

import (
	"errors"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/handle"
	"sandbox/pkg/kernel"
	"sandbox/pkg/proc"
	"sandbox/pkg/resctrl"
	"sandbox/pkg/seccomp"
	"sandbox/pkg/worktree"
)

// Record is what is written down about a container: what it was made from, and what came of that. Verbs run in other
// processes, with another environment, long after.
//
// It is two files: most verbs look at containers only, and the spec is long.
type Record struct {
	Format       int               `json:"format,omitempty"` // see recordFormat
	OCIVersion   string            `json:"ociVersion"`
	ID           string            `json:"id"`
	Pid          int               `json:"pid"`
	Begin        uint64            `json:"begin"`               // start time of Pid, clock ticks since boot (proc_pid_stat(5)): a reused pid has another
	Init         int               `json:"init,omitempty"`      // the process that only reaps, where it is not Pid
	InitBegin    uint64            `json:"initBegin,omitempty"` // as Begin, of Init
	Boot         string            `json:"boot"`                // the boot that Begin belongs to
	Bundle       string            `json:"bundle"`
	Rootfs       string            `json:"rootfs"`
	BundleID     *handle.ID        `json:"bundleID,omitempty"` // the directories themselves, for what uses them later
	RootfsID     *handle.ID        `json:"rootfsID,omitempty"` // nil where the container's root is made of other things
	Created      string            `json:"created"`            // RFC 3339, UTC
	Owner        uint32            `json:"owner"`              // uid of who created it
	Annotations  map[string]string `json:"annotations,omitempty"`
	AutoRemove   bool              `json:"autoRemove,omitempty"` // it is to be gone when it has ended: a foreground run removes it, or whoever looks next
	Hooked       bool              `json:"hooked,omitempty"`     // its spec has hooks
	NoPivot      bool              `json:"noPivot,omitempty"`
	OwnPID       bool              `json:"ownPID,omitempty"` // it has a pid namespace of its own
	NoNewKeyring bool              `json:"noNewKeyring,omitempty"`
	Scoped       bool              `json:"scoped,omitempty"` // its processes keep to their own abstract sockets, and signal no others

	Cgroup  cgroup2.Placement `json:"-"`                 // from a link, see [Dir.Group]
	NoGroup string            `json:"noGroup,omitempty"` // why it has none of its own, where one was asked for
	OOM     *cgroup2.OOM      `json:"oom,omitempty"`     // when the out-of-memory killer was seen in it

	Share *resctrl.Share `json:"share,omitempty"` // of caches and memory bandwidth

	Helper *Helper `json:"helper,omitempty"` // who holds its network

	Guards []worktree.Note `json:"guards,omitempty"` // what is to be compared when it has ended

	Contract kernel.Contract `json:"contract,omitempty"`

	// Spec is the container's, with its limits as they are now; nil until [Dir.Recall].
	Spec *specs.Spec `json:"-"`
	// Seccomp is linux.seccomp as it is loaded, also by exec; it comes with Spec.
	Seccomp *seccomp.Filter `json:"-"`
}

// recordFormat is of a record whose spec has a file of its own; one without a format has parts of it, see former.
const recordFormat = 1

// ErrNotExist is what every verb says of an unknown id. Clients of OCI runtimes
// match on the words.
var ErrNotExist = errors.New("container does not exist")

// Payload is the recorded process.
func (r *Record) Payload() proc.ID { return proc.ID{Pid: r.Pid, Begin: r.Begin, Boot: r.Boot} }

// Alive says whether the recorded process still is that process, and running.
func (r *Record) Alive() bool { return r.Payload().Alive() }

// First is the container's first process: its init, or the recorded one.
func (r *Record) First() proc.ID {
	if r.Init == 0 {
		return r.Payload()
	}
	return proc.ID{Pid: r.Init, Begin: r.InitBegin, Boot: r.Boot}
}

// Ended says whether nothing of the container is left that is recorded. Its init may outlive the recorded process, and then
// so may all the rest: a payload can see to it that init is not told (cgroup.freeze).
func (r *Record) Ended() bool { return !r.Alive() && !r.First().Alive() }

// Over says whether a container is one that a foreground run would have removed, had it not been killed.
func (r *Record) Over() bool { return r.AutoRemove && !r.Hooked && r.Ended() }

// Process is the payload as the spec describes it; nil without one.
func (r *Record) Process() *specs.Process {
	if r.Spec == nil {
		return nil
	}
	return r.Spec.Process
}

// Hooks are the spec's; nil for none.
func (r *Record) Hooks() *specs.Hooks {
	if r.Spec == nil {
		return nil
	}
	return r.Spec.Hooks
}

// Resources are the limits that the container has now; nil for none.
func (r *Record) Resources() *specs.LinuxResources {
	if r.Spec == nil || r.Spec.Linux == nil {
		return nil
	}
	return r.Spec.Linux.Resources
}

// Helper is a process that holds a container's network.
type Helper struct {
	Pid   int    `json:"pid"`
	Begin uint64 `json:"begin"` // as Record.Begin
}
