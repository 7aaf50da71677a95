package lifecycle

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/userns"
)

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
	}
	if text == "" {
		return nil
	}
	return fmt.Errorf("%w: %s", e, text)
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
