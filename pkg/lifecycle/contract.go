package lifecycle

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/confine"
	"sandbox/pkg/idmap"
	"sandbox/pkg/kernel"
	"sandbox/pkg/rootfs"
	"sandbox/pkg/world"
)

// note records which rung of a ladder the plan took.
func (b *birth) note(name string) {
	k := b.run.Kernel
	cause := func(op kernel.Op, code kernel.Code, errno unix.Errno) kernel.Cause {
		op.InUserns, op.OwnNet, op.OwnCgroup = b.userns(), b.fresh(unix.CLONE_NEWNET), b.fresh(unix.CLONE_NEWCGROUP)
		b.askable(&op)
		if c, ok := k.Explain(op, errno); ok {
			return c
		}
		return kernel.New(code)
	}
	switch name {
	case rootfs.NoteProcBound:
		b.contract.Degrade(kernel.FeatProcFresh, "/proc is the host's: other processes are visible", cause(kernel.Op{Do: kernel.MountProc, Path: "/proc"}, kernel.ProcMasked, unix.EPERM))
	case rootfs.NoteSysBound:
		b.contract.Degrade(kernel.FeatSysfsFresh, "/sys is the host's", cause(kernel.Op{Do: kernel.MountSysfs, Path: "/sys"}, kernel.SysfsNoNetns, unix.EPERM))
	case rootfs.NoteCgroupBound:
		b.contract.Degrade(kernel.FeatCgroupns, "/sys/fs/cgroup is the host's", cause(kernel.Op{Do: kernel.MountCgroup, Path: "/sys/fs/cgroup"}, kernel.CgroupMount, unix.EPERM))
	case rootfs.NoteMqueueBound:
		b.contract.Degrade(kernel.FeatIpcns, "/dev/mqueue is the host's", cause(kernel.Op{Do: kernel.Mount, Path: "/dev/mqueue"}, kernel.MountLocked, unix.EPERM))
	case confine.NoteGroups:
		if supplementary(b.run.Caller) {
			b.contract.Degrade(kernel.FeatGroups, "the caller's supplementary groups stay", cause(kernel.Op{Do: kernel.Setgroups}, kernel.SetgroupsDeny, unix.EPERM))
		}
	case world.NoteHostname:
		b.contract.Degrade(kernel.FeatUtsns, "the host name is the one outside", k.Fit(cause(refused("sethostname"), kernel.SeccompBlocked, unix.EPERM), "IFUTS", kernel.Holds))
	case world.NoteLoopback:
		b.contract.Degrade(kernel.FeatNetns, "the loopback device is down", cause(refused("ioctl"), kernel.SeccompBlocked, unix.EPERM))
	case world.NoteKeyringRefused:
		if k.HasKeys() {
			b.contract.Degrade(kernel.FeatKeyring, "the caller's session keyring stays", cause(refused("keyctl"), kernel.SeccompBlocked, unix.EPERM))
		}
	case world.NoteKeyring:
		b.contract.Degrade(kernel.FeatKeyring, "the caller's session keyring stays", cause(kernel.Op{Do: kernel.NewKeyring}, kernel.KeyringQuota, unix.EDQUOT))
	}
	if dest, ok := strings.CutPrefix(name, rootfs.NoteLocked); ok {
		b.contract.Degrade(kernel.FeatMounts, dest+" keeps the flags that its mount has outside", cause(kernel.Op{Do: kernel.Remount, Path: b.tree.ShownAt(dest), Dest: dest}, kernel.MountLocked, unix.EPERM))
	}
}

// refused is the attempt of a system call that the plan can do without.
func refused(call string) kernel.Op { return kernel.Op{Do: kernel.OtherCall, Data: call} }

// degrade records the losses that were known before the fork.
func (b *birth) degrade() {
	if b.proc.Lost != 0 {
		lost := strings.Join(b.proc.Lost.Names(), " ")
		cause := b.run.Kernel.Fit(kernel.New(kernel.CapsMissing, "we do not hold "+lost), "IFLIMIT", kernel.Holds, "FLAGS", strings.Join(b.proc.Lost.Names(), " --cap-add "))
		b.contract.Degrade(kernel.FeatCaps, "without "+lost, cause)
	}
	if len(b.proc.Unknown) > 0 {
		unknown := strings.Join(b.proc.Unknown, " ")
		b.contract.Degrade(kernel.FeatCaps, "without "+unknown, b.run.Kernel.Fit(kernel.New(kernel.CapsMissing, "unknown: "+unknown), "UNKNOWN", unknown))
		b.run.Warn("process.capabilities: unknown ones are ignored: " + unknown)
	}
	b.run.warnFlat(b.proc)
	b.warnUnbounded()
	if len(b.proc.Limited) > 0 {
		b.contract.Degrade(kernel.FeatRlimits, strings.Join(b.proc.Limited, ", "), b.limitCause())
	}
	if w := b.network; w != nil && w.Short != nil {
		b.contract.Degrade(kernel.FeatNetwork, "no network but loopback", *w.Short)
	}
	for _, o := range b.tree.Losses() {
		b.contract.Degrade(o.Feature, o.Lost, b.fit(*o.Cause))
	}
	b.groupOutcome()
}

// warnFlat says which capabilities are not ambient although they were to be, in runc's words.
func (r *Runtime) warnFlat(c *confine.Process) {
	for _, name := range c.Flat.Names() {
		r.Tell("can't raise ambient capability " + name + ": operation not permitted, for it is not permitted and inheritable")
	}
}

// warnUnbounded says in runc's words that nothing holds the processes of a bundle's container together.
func (b *birth) warnUnbounded() {
	if b.Typed || b.run.Groups.System || b.fresh(unix.CLONE_NEWPID) || b.group.refusal == nil || errors.Is(b.group.refusal, cgroup2.ErrDisabled) {
		return
	}
	b.run.Tell("a rootless container with no cgroup and no private pid namespace. Such configuration is strongly discouraged (as it is impossible to properly kill all container's processes)")
}

// fit is a cause of a package that knows nothing of the caller, for this one.
func (b *birth) fit(c kernel.Cause) kernel.Cause {
	switch c.Code {
	case kernel.CgroupDelegated:
		return b.run.Kernel.Fit(c)
	case kernel.DevptsGid:
		op := kernel.Op{}
		b.askable(&op)
		return b.run.Kernel.FitIDs(c, op)
	}
	return c
}

// limitCause is about the first limit that was cut.
func (b *birth) limitCause() kernel.Cause {
	for _, l := range b.Spec.Process.Rlimits {
		if c, ok := b.run.Kernel.Explain(kernel.Op{Do: kernel.Setrlimit, Path: l.Type, Want: l.Hard}, unix.EPERM); ok {
			return c
		}
	}
	return kernel.New(kernel.RlimitHard)
}

// supplementary says whether a caller has groups besides the first.
func supplementary(c idmap.Caller) bool {
	for _, g := range c.Groups {
		if g != c.GID {
			return true
		}
	}
	return false
}

// execError words a failure to run the program as clients of OCI runtimes
// expect it: podman and Docker make exit status 126 or 127 of the words.
// found says that the program is there: what is missing then is what it names to run it.
func execError(name string, errno unix.Errno, found bool) error {
	status, text := 126, errno.Error()
	switch bare := !strings.Contains(name, "/"); {
	case errno == unix.ENOENT && found:
		text = "exec " + name + ": no such file or directory: the interpreter in its first line, or its loader, is not there"
		return &ExecError{Status: 127, Text: text, Errno: errno}
	case errno == unix.ENOENT && bare:
		status, text = 127, "executable file not found in $PATH"
	case errno == unix.ENOENT:
		status, text = 127, "stat "+name+": no such file or directory"
	case errno == unix.ENOTDIR:
		// runc's words: Docker adds a hint about file mounts to them and gives
		// 127, podman 126 as shells and env(1) do.
		text = "stat " + name + ": not a directory"
	case errno == unix.EISDIR:
		text += ": permission denied" // what podman's exec looks for; Docker looks for the first half
	}
	return &ExecError{Status: status, Text: confine.ExecWords(name) + ": " + text, Errno: errno}
}

// ExecError is a program that could not be run in a container that was all
// right otherwise.
type ExecError struct {
	Status int // 127 not found, 126 found but not runnable, as shells say it
	Text   string
	Errno  unix.Errno
}

func (e *ExecError) Error() string { return e.Text }

// Unwrap gives the errno to errors.Is.
func (e *ExecError) Unwrap() error { return e.Errno }

// ExitStatus is what a shell would exit with for an error of a start: 127 and
// 126 for the program, 125 for everything else (chroot(1), env(1), podman).
func ExitStatus(err error) int {
	var e *ExecError
	if errors.As(err, &e) {
		return e.Status
	}
	return 125
}
