package kernel

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"sandbox/pkg/helper"
	"sandbox/pkg/printable"
	"sandbox/pkg/proc"
)

// State is how a feature of the host is.
type State string

// Unknown means that nothing could be tried or read; it is not an accusation.
const (
	OK      State = "ok"
	Limited State = "limited"
	Missing State = "missing"
	Unknown State = "unknown"
)

// Finding is one line of a listing of this host.
type Finding struct {
	Feature string `json:"feature"`
	State   State  `json:"state"`
	Detail  string `json:"detail,omitempty"`
	Cause   *Cause `json:"cause,omitempty"`
}

// Check looks at every feature of this host, for a listing that people read
// when something does not work. It tries where it can (with [Host.Try], or a
// clone that never executes anything) and reads otherwise, and its details say
// which. It changes nothing. About ten milliseconds.
func (h Host) Check(env func(string) string) []Finding {
	self := h.Self()
	group, controllers := h.checkCgroup()
	found := []Finding{
		h.checkKernel(),
		h.checkProgram(),
		h.checkUserns(),
		h.checkFresh("fresh proc", MountProc, "proc", procEmpty),
		h.checkFresh("fresh sysfs", MountSysfs, "sysfs", sysfsEmpty),
		h.checkOverlay(),
		group,
		h.checkSeccomp(self),
		h.checkAppArmor(self),
		h.checkSELinux(),
		h.checkTun(),
		h.checkNetwork(env),
		h.checkScopes(),
		h.checkRuntimeDir(env, self),
		h.checkLinger(self),
	}
	return append(found, h.checkControllers(group, controllers)...)
}

// found turns the answer of an operation into a finding.
func (h Host) found(feature string, op Op, err error, detail string) Finding {
	if err == nil {
		return Finding{Feature: feature, State: OK, Detail: detail}
	}
	f := Finding{Feature: feature, State: Missing, Detail: fmt.Sprintf("%s: %v", op.Do, err)}
	if c, ok := h.Explain(op, err); ok {
		f.Cause = &c
	}
	return f
}

// foretold is a finding from reading: the errno is what the kernel would say,
// which finds the cause, and is not shown as if it had said so.
func (h Host) foretold(feature string, op Op, errno syscall.Errno, detail string) Finding {
	f := h.found(feature, op, errno, "")
	f.Detail = "not tried, " + detail
	return f
}

// checkKernel makes the newest call that a start needs, malformed.
func (h Host) checkKernel() Finding {
	op := Op{Do: OtherCall, Data: "mount_setattr"}
	if h.Proc == "" {
		if errno, _, _ := callMalformed(op.Data); errno == unix.ENOSYS {
			return h.found("kernel", op, errno, "")
		}
	} else if olderThan5(h.release(), 12) {
		return h.foretold("kernel", op, unix.ENOSYS, "Linux "+h.release())
	}
	return Finding{Feature: "kernel", State: OK, Detail: "Linux " + h.release()}
}

// checkProgram is about this program itself: what it starts in an empty directory finds no loader.
func (h Host) checkProgram() Finding {
	f := Finding{Feature: "this program", State: OK, Detail: "static"}
	if proc.NeedsLoader() {
		f.State, f.Detail = Limited, "built with cgo and needs a loader: --publish works with other port handlers only; build it with CGO_ENABLED=0"
	}
	return f
}

// checkUserns goes as far as a clone can: the namespace, its map, a mount in
// it. AppArmor lets the first pass and stops the last.
func (h Host) checkUserns() Finding {
	for _, do := range [...]Action{NewUserns, WriteIDMap, Mount} {
		op := Op{Do: do, InUserns: do == Mount}
		if err := h.try(op); errors.Is(err, ErrNotTried) {
			return Finding{Feature: "user namespaces", State: Unknown, Detail: "not tried"}
		} else if err != nil {
			return h.found("user namespaces", op, err, "")
		}
	}
	return Finding{Feature: "user namespaces", State: OK, Detail: "created one, mapped one id, mounted in it"}
}

// checkFresh tries, or foretells from the mount table what the kernel would say
// in a new user namespace.
func (h Host) checkFresh(feature string, do Action, fstype string, empty []string) Finding {
	op := Op{Do: do, InUserns: true, OwnNet: true}
	if err := h.try(op); !errors.Is(err, ErrNotTried) {
		return h.found(feature, op, err, "mounted one in a new user namespace")
	}
	all := h.mounts("self")
	switch {
	case len(all) == 0:
		return Finding{Feature: feature, State: Unknown, Detail: "no mount table"}
	case hidden(all, fstype, empty) != nil:
		return h.foretold(feature, op, unix.EPERM, "the kernel would refuse it")
	}
	return Finding{Feature: feature, State: OK, Detail: "not tried, nothing is mounted over it"}
}

func (h Host) checkOverlay() Finding {
	const feature = "overlay in a user namespace"
	op := Op{Do: MountOverlay, InUserns: true}
	if err := h.try(op); !errors.Is(err, ErrNotTried) {
		return h.found(feature, op, err, "mounted one in a new user namespace")
	}
	list := read(h.proc("filesystems"))
	switch {
	case list == "":
		return Finding{Feature: feature, State: Unknown, Detail: "not tried, no list of file systems"}
	case !hasFilesystem(list, "overlay"):
		// A module that is not loaded yet is not listed either.
		return Finding{Feature: feature, State: Unknown, Detail: "not tried, overlay is not loaded yet"}
	}
	return Finding{Feature: feature, State: OK, Detail: "not tried, overlay is in /proc/filesystems"}
}

func (h Host) checkSeccomp(self Facts) Finding {
	f := Finding{Feature: "seccomp", State: OK, Detail: "filters can be loaded"}
	if h.sysctl("kernel.seccomp.actions_avail") == "" {
		f.State, f.Detail = Missing, "this kernel has no seccomp filters"
	}
	if self.Seccomp != 0 {
		f.Detail += fmt.Sprintf(", we run under one (Seccomp: %d)", self.Seccomp)
	}
	return f
}

func (h Host) checkAppArmor(self Facts) Finding {
	f := Finding{Feature: "apparmor", State: Missing, Detail: "not active"}
	if read(h.sys("module/apparmor/parameters/enabled")) != "Y" {
		return f
	}
	label := h.label()
	f.State, f.Detail = OK, "our label is "+printable.Text(pick(label == "", "unreadable", label))
	if s := (&sight{Host: h, op: Op{Do: NewUserns}, errno: unix.EPERM, self: self}); s.appArmorRestricts() {
		c := fill(UsernsAppArmor, h.appArmorVars(), seen(appArmorSysctl, "1"), f.Detail)
		f.State, f.Cause = Limited, &c
	}
	return f
}

func (h Host) checkSELinux() Finding {
	f := Finding{Feature: "selinux", State: Missing, Detail: "not active"}
	switch read(h.sys("fs/selinux/enforce")) {
	case "1":
		f.State, f.Detail = OK, "enforcing, our label is "+printable.Text(h.label())
	case "0":
		f.State, f.Detail = OK, "permissive"
	}
	return f
}

// checkTun opens the device; without TUNSETIFF that makes no interface.
func (h Host) checkTun() Finding {
	path := h.dev("net/tun")
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err == nil {
		f.Close()
	}
	return h.found("/dev/net/tun", Op{Do: OpenTun, Path: path}, err, "opened")
}

// checkNetwork looks for a program that carries packets, where a start does.
func (h Host) checkNetwork(env func(string) string) Finding {
	helpers := h.Helpers
	if helpers == nil {
		helpers = &helper.Finder{Env: env}
	}
	why := "neither slirp4netns nor pasta is installed"
	for _, program := range []string{"slirp4netns", "pasta"} {
		p, err := helpers.Find(program, nil)
		var missing *helper.MissingError
		switch {
		case err == nil:
			return Finding{Feature: "network", State: OK, Detail: p.Path}
		case !errors.As(err, &missing) || len(missing.Refused) > 0:
			why = err.Error()
		}
	}
	cause := New(NetworkNone, why)
	return Finding{Feature: "network", State: Missing, Detail: why, Cause: &cause}
}

func (h Host) checkRuntimeDir(env func(string) string, self Facts) Finding {
	dir, cause, err := h.chooseRuntimeDir(env, int(self.EUID), self.InitialUserns())
	f := Finding{Feature: "runtime directory", State: OK, Detail: dir, Cause: cause}
	switch {
	case err != nil:
		f.State, f.Detail = Missing, err.Error()
	case cause != nil:
		f.State = Limited
	}
	return f
}
