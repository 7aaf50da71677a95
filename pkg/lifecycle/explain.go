package lifecycle

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/idmap"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/proc"
	"sandbox/pkg/userns"
)

// explain turns the failure of a step into an error for people: its cause when
// the host shows one.
func (r *Runtime) explain(g *program, err error) error {
	var birth *userns.BirthError
	var ids *userns.MapError
	var step *userns.Error
	switch {
	case errors.As(err, &birth):
		if birth.Flags&unix.CLONE_NEWUSER == 0 {
			return r.because(kernel.Op{Do: kernel.NewNamespace}, err)
		}
		return r.because(kernel.Op{Do: kernel.NewUserns, InUserns: true}, err)
	case errors.As(err, &ids):
		return r.explainMap(g.world.IDs, err)
	case errors.As(err, &step):
		at, _ := step.What.(kernel.Attempt)
		if e := g.rootGone(step, at); e != nil {
			return e
		}
		if e := g.fewProcessors(step); e != nil {
			return e
		}
		return r.explainStep(err, func(op *kernel.Op) {
			op.InUserns, op.OwnNet, op.OwnCgroup = g.userns(), g.fresh(unix.CLONE_NEWNET), g.fresh(unix.CLONE_NEWCGROUP)
			op.UIDMap, op.GIDMap = mapText(g.world.IDs.UIDs), mapText(g.world.IDs.GIDs)
			g.askable(op)
		})
	}
	return err
}

// askable says what of the container's ids and mounts could be asked for differently, and how.
func (g *program) askable(op *kernel.Op) {
	op.Typed = g.Typed
	switch o, chosen := g.Contract.Of(kernel.FeatIDRange); {
	case chosen && o.Result != kernel.Granted:
		op.Short = g.run.who()
	case !g.fresh(unix.CLONE_NEWUSER) || mapsMany(g.world.IDs.UIDs):
	case g.Typed:
		op.Range = "--userns=auto"
	default:
		op.Range = "more than one id in linux.uidMappings and linux.gidMappings"
	}
}

// explainMap turns the failure to write an id map into an error for people.
func (r *Runtime) explainMap(m idmap.Map, err error) error {
	r.lookUp() // only now: without a name the cause would be that there is none
	for _, s := range r.Maps.Explain(m, r.Caller) {
		return &kernel.Refusal{Cause: r.idCause(s), Err: err}
	}
	return r.because(kernel.Op{Do: kernel.WriteIDMap, InUserns: true}, err)
}

// explainStep turns the failure of a step into an error for people, and returns other errors
// as they are. fill adds to what the step attempted what only its caller knows.
func (r *Runtime) explainStep(err error, fill func(*kernel.Op)) error {
	var step *userns.Error
	if !errors.As(err, &step) {
		return err
	}
	at, _ := step.What.(kernel.Attempt)
	if at.Do == kernel.Exec {
		return execError(at.Path, step.Errno, step.Call == "execve")
	}
	text := hint(step, at.Do)
	if text != "" {
		err = fmt.Errorf("%w: %s", step, text)
	}
	if at.Detail != "" {
		err = fmt.Errorf("%w: %s", err, at.Detail)
	}
	if at.Field != "" {
		err = fmt.Errorf("%s: %w", at.Field, err)
	}
	if text != "" {
		return err
	}
	if at.Do == "" {
		at.Op = kernel.Op{Do: kernel.OtherCall, Data: step.Call}
	}
	at.Op.Call = step.Call
	fill(&at.Op)
	return r.because(at.Op, err)
}

// hints say what is missing where the errno of a step has one cause that no evidence is needed
// for. "" stands for whatever was attempted, or for any call.
var hints = []struct {
	do    kernel.Action
	call  string
	errno unix.Errno
	text  string
}{
	{"", "sched_setattr", unix.EPERM, "real-time policies and a lower nice value need CAP_SYS_NICE on the host, or RLIMIT_RTPRIO and RLIMIT_NICE"},
	{"", "sched_setattr", unix.EBUSY, "the CPUs cannot give that much to SCHED_DEADLINE"},
	{"", "sched_setattr", unix.EOPNOTSUPP, "this kernel has no utilisation clamps (CONFIG_UCLAMP_TASK)"},
	{"", "ioprio_set", unix.EPERM, "IOPRIO_CLASS_RT needs CAP_SYS_NICE on the host"},
	{"", "sched_setaffinity", unix.EINVAL, "none of these CPUs is there for us"},
	{"", "set_mempolicy", unix.EINVAL, "a node is not there for us, or this kernel does not have the mode"},
	{"", "set_mempolicy", unix.ENOSYS, "this kernel has no memory policies (CONFIG_NUMA)"},
	{kernel.SetProfile, "", unix.ENOENT, "no such profile is loaded (apparmor_parser -r FILE)"},
	{kernel.SetProfile, "", unix.EXDEV, "something is mounted over a file of /proc"},
	{kernel.SetLabel, "", unix.EINVAL, "the policy does not know that label"},
	{kernel.SetLabel, "", unix.EXDEV, "something is mounted over a file of /proc"},
	{kernel.Attach, "move_mount", unix.EINVAL, "a directory cannot be mounted on a file, nor a file on a directory"},
	{kernel.Attach, "openat2", unix.ENOTDIR, notOrdinary},
	{kernel.Attach, "openat2", unix.ELOOP, notOrdinary},
	{kernel.Attach, "openat2", unix.EXDEV, "a link leads out of a directory that commands can write: name the place that it leads to"},
	{kernel.MountDevice, "", unix.EPERM, "a filesystem on a device is for root of the host to mount"},
}

// notOrdinary has words that clients of runc match on.
const notOrdinary = "a filesystem must be mounted on ordinary directory, not on a file, and /proc, /sys and /dev not on a link"

func hint(e *userns.Error, do kernel.Action) string {
	if _, ok := e.What.(plan.Again); ok {
		return "it, or a directory above it, was renamed or replaced since: end what does that, and start again"
	}
	for _, h := range hints {
		if (h.do == "" || h.do == do) && (h.call == "" || h.call == e.Call) && h.errno == e.Errno {
			return h.text
		}
	}
	return ""
}

// mapText is an id map as /proc/PID/uid_map prints it.
func mapText(extents []idmap.Extent) string {
	var b strings.Builder
	for _, e := range extents {
		fmt.Fprintln(&b, e.Container, e.Host, e.Size)
	}
	return b.String()
}

// idMapsOf are those of a process, as it sees them: "" where they cannot be read.
func idMapsOf(pid int) (uids, gids string) {
	u, _ := proc.ReadFile(proc.Dir(pid) + "/uid_map")
	g, _ := proc.ReadFile(proc.Dir(pid) + "/gid_map")
	return string(u), string(g)
}

// rootGone says where a root that is not there was looked for.
func (g *program) rootGone(e *userns.Error, at kernel.Attempt) error {
	if e.Errno != unix.ENOENT || !g.world.NS.Joined(unix.CLONE_NEWNS) || at.Do != kernel.OpenRoot {
		return nil
	}
	return fmt.Errorf("%w: it is looked up in the joined mount namespace, whose tree another container may have replaced", e)
}
