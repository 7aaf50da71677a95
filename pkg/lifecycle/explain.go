package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
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
		r.lookUp() // only now: without a name the cause would be that there is none
		for _, s := range r.Maps.Explain(g.ids, r.Caller) {
			return &kernel.Refusal{Cause: r.idCause(s), Err: err}
		}
		return r.because(kernel.Op{Do: kernel.WriteIDMap, InUserns: true}, err)
	case errors.As(err, &step):
		if e := execError(step); e != nil {
			return e
		}
		if e := hint(step); e != nil {
			return g.named(step, g.option(step, e))
		}
		if e := g.rootGone(step); e != nil {
			return e
		}
		err = g.named(step, g.option(step, err))
		op := operation(step)
		op.InUserns, op.OwnNet, op.OwnCgroup = g.userns(), g.fresh(unix.CLONE_NEWNET), g.fresh(unix.CLONE_NEWCGROUP)
		return r.because(op, err)
	}
	return err
}

// hint says what is missing where the errno of a step has one cause, for fields
// that no feature stands for. The step already names the field.
func hint(e *userns.Error) error {
	text := ""
	switch {
	case e.Call == "sched_setattr" && e.Errno == unix.EPERM:
		text = "real-time policies and a lower nice value need CAP_SYS_NICE on the host, or RLIMIT_RTPRIO and RLIMIT_NICE"
	case e.Call == "sched_setattr" && e.Errno == unix.EBUSY:
		text = "the CPUs cannot give that much to SCHED_DEADLINE"
	case e.Call == "sched_setattr" && e.Errno == unix.EOPNOTSUPP:
		text = "this kernel has no utilisation clamps (CONFIG_UCLAMP_TASK)"
	case e.Call == "ioprio_set" && e.Errno == unix.EPERM:
		text = "IOPRIO_CLASS_RT needs CAP_SYS_NICE on the host"
	case e.Call == "sched_setaffinity" && e.Errno == unix.EINVAL:
		text = "none of these CPUs is there for us"
	case e.Call == "set_mempolicy" && e.Errno == unix.EINVAL:
		text = "a node is not there for us, or this kernel does not have the mode"
	case e.Call == "set_mempolicy" && e.Errno == unix.ENOSYS:
		text = "this kernel has no memory policies (CONFIG_NUMA)"
	case strings.HasPrefix(e.Act, "set process.apparmorProfile") && e.Errno == unix.ENOENT:
		text = "no such profile is loaded (apparmor_parser -r FILE)"
	case strings.HasPrefix(e.Act, "set process.selinuxLabel") && e.Errno == unix.EINVAL:
		text = "the policy does not know that label"
	case strings.HasSuffix(e.Act, "Label") && e.Errno == unix.EXDEV, strings.HasSuffix(e.Act, "Profile") && e.Errno == unix.EXDEV:
		text = "something is mounted over a file of /proc"
	case e.Call == "move_mount" && e.Errno == unix.EINVAL && strings.HasPrefix(e.Act, "attach "):
		text = "a directory cannot be mounted on a file, nor a file on a directory"
	case strings.HasPrefix(e.Act, "find ") && strings.HasSuffix(e.Act, " as it was when the start began"):
		text = "it, or a directory above it, was renamed or replaced since: end what does that, and start again"
	case strings.HasPrefix(e.Act, "mount ") && e.Errno == unix.EPERM && strings.HasPrefix(e.Call, "fs") && !nestable(e.Act):
		text = "a filesystem on a device is for root of the host to mount"
	}
	if text == "" {
		return nil
	}
	return fmt.Errorf("%w: %s", e, text)
}

// nestable says whether a user namespace may mount that (FS_USERNS_MOUNT).
func nestable(act string) bool {
	fstype, _, _ := strings.Cut(strings.TrimPrefix(act, "mount "), " ")
	return slices.Contains(strings.Fields("proc sysfs cgroup2 mqueue devpts tmpfs ramfs overlay fuse binder bpf"), fstype)
}

// named puts the field first that a step stands for, where its words do not say it.
func (g *program) named(step *userns.Error, err error) error {
	field := g.tree.Field(step.Act)
	switch key, isSysctl := strings.CutPrefix(step.Act, "set sysctl "); {
	case field != "":
	case isSysctl:
		field = fmt.Sprintf("linux.sysctl[%q]", key)
	case strings.HasSuffix(step.Act, "the working directory "+g.Spec.Process.Cwd):
		field = "process.cwd"
	case step.Act == "allocate a terminal":
		field = "process.terminal"
	case step.Act == "set capabilities":
		field = "process.capabilities"
	default:
		return err
	}
	return fmt.Errorf("%s: %w", field, err)
}

// option names the filesystem option that a step was about.
func (g *program) option(step *userns.Error, err error) error {
	if step.Call != "fsconfig" || step.Step >= len(g.plan.Steps) {
		return err
	}
	args := g.plan.Steps[step.Step].Args
	if len(args) < 4 {
		return err
	}
	switch key, value := args[2].Mem, args[3].Mem; {
	case key == nil:
		return err
	case value == nil:
		return fmt.Errorf("%w: option %s", err, key)
	default:
		return fmt.Errorf("%w: option %s, value %s", err, key, value)
	}
}
