package lifecycle

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/handle"
	"sandbox/pkg/kernel"
	"sandbox/pkg/resctrl"
	"sandbox/pkg/seccomp"
	"sandbox/pkg/userns"
	"sandbox/pkg/worktree"
)

// Record is what is written down about a container: what state and list print,
// and what exec, kill and delete need, for they run in other processes, with
// another environment, long after.
type Record struct {
	OCIVersion   string            `json:"ociVersion"`
	ID           string            `json:"id"`
	Pid          int               `json:"pid"`
	Begin        uint64            `json:"begin"`          // start time of Pid, clock ticks since boot (proc_pid_stat(5)): a reused pid has another
	Init         int               `json:"init,omitempty"` // the process that only reaps, where it is not Pid
	Boot         string            `json:"boot"`           // the boot that Begin belongs to
	Bundle       string            `json:"bundle"`
	Rootfs       string            `json:"rootfs"`
	BundleID     *handle.ID        `json:"bundleID,omitempty"` // the directories themselves, for what uses them later
	RootfsID     *handle.ID        `json:"rootfsID,omitempty"` // nil where the container's root is made of other things
	Created      string            `json:"created"`            // RFC 3339, UTC
	Owner        uint32            `json:"owner"`              // uid of who created it
	Annotations  map[string]string `json:"annotations,omitempty"`
	AutoRemove   bool              `json:"autoRemove,omitempty"` // it is to be gone when it has ended: a foreground run removes it, or whoever looks next
	NoPivot      bool              `json:"noPivot,omitempty"`
	OwnPID       bool              `json:"ownPID,omitempty"` // it has a pid namespace of its own
	NoNewKeyring bool              `json:"noNewKeyring,omitempty"`

	Cgroup    cgroup2.Placement     `json:"-"`                   // from groupLink
	NoGroup   string                `json:"noGroup,omitempty"`   // why it has none of its own, where one was asked for
	Resources *specs.LinuxResources `json:"resources,omitempty"` // as they are now
	OOM       *cgroup2.OOM          `json:"oom,omitempty"`       // when the out-of-memory killer was seen in it

	Share *resctrl.Share `json:"share,omitempty"` // of caches and memory bandwidth

	Helper *Helper `json:"helper,omitempty"` // who holds its network

	Guards []worktree.Note `json:"guards,omitempty"` // what is to be compared when it has ended

	// What exec takes from the container and not from the process.
	Personality  *specs.LinuxPersonality  `json:"personality,omitempty"`
	MemoryPolicy *specs.LinuxMemoryPolicy `json:"memoryPolicy,omitempty"`

	Process  *specs.Process  `json:"process,omitempty"`
	Hooks    *specs.Hooks    `json:"hooks,omitempty"`
	Seccomp  *seccomp.Filter `json:"seccomp,omitempty"` // as it is loaded, also by exec
	Contract kernel.Contract `json:"contract,omitempty"`
}

// linux is the part of the container's spec that its later processes need.
func (r *Record) linux() *specs.Linux {
	return &specs.Linux{Personality: r.Personality, MemoryPolicy: r.MemoryPolicy}
}

// ErrNotExist is what every verb says of an unknown id. Clients of OCI runtimes
// match on the words.
var ErrNotExist = errors.New("container does not exist")

// stat is what /proc/PID/stat tells of a process.
type stat struct {
	state byte
	begin uint64
}

// statOf reads /proc/PID/stat. The command's name may hold spaces and
// parentheses, so fields are counted from the last one.
func statOf(pid int) (stat, error) {
	b, err := kernel.ReadFile(procOf(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("/proc/%d/stat has only %d fields", pid, len(fields))
	}
	begin, err := strconv.ParseUint(fields[19], 10, 64)
	return stat{state: fields[0][0], begin: begin}, err
}

// procOf is the directory of a process in /proc.
func procOf(pid int) string { return "/proc/" + strconv.Itoa(userns.ProcPid(pid)) }

// bootID tells this boot from others.
func bootID() string {
	b, err := kernel.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // masked in some containers; then start times alone decide
	}
	return strings.TrimSpace(string(b))
}

// alive says whether the recorded process still is that process, and running.
func (r *Record) alive() bool {
	if r.Pid <= 0 {
		return false
	}
	s, err := statOf(r.Pid)
	return err == nil && s.begin == r.Begin && s.state != 'Z' && s.state != 'X' && r.Boot == bootID()
}

// parentOf is the parent of a process, 0 when it is gone.
func parentOf(pid int) int {
	b, err := kernel.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}
