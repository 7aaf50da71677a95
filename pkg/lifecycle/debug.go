package lifecycle

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/userns"
	"sandbox/pkg/world"
)

// debugf tells whoever wants to know what is done (--debug). It says what has happened and never what will.
func (r *Runtime) debugf(format string, args ...any) {
	if r.Debug != nil {
		r.Debug(fmt.Sprintf(format, args...))
	}
}

// told is a request whose every turn is told. Whoever reads runc's log looks for its words about them.
func (b *birth) told(q userns.Request) userns.Request {
	if b.run.Debug == nil {
		return q
	}
	b.run.debugf("container %q: the start has %d steps, in new namespaces: %s", b.ID, len(b.plan.Steps), kinds(b.world.Flags()))
	if b.filter.Filter != nil {
		b.run.debugf("seccomp filter flags: %d", b.filter.Flags)
	}
	q.Born = func(pid int) error {
		b.run.debugf("container %q: nsexec container setup: process %d is born", b.ID, pid)
		return b.born(pid)
	}
	q.Gate = func(c *userns.Child, name string) error {
		b.run.debugf("container %q: child process in init(): process %d has come to the gate %q", b.ID, c.Pid, name)
		return b.gate(c, name)
	}
	q.Note = func(name string) {
		b.run.debugf("container %q: took another way: %s", b.ID, name)
		b.note(name)
	}
	return q
}

// told is a request of an exec whose every turn is told.
func (x *execution) told(q userns.Request) userns.Request {
	if x.run.Debug == nil {
		return q
	}
	born, gate := q.Born, q.Gate
	q.Born = func(pid int) error {
		x.run.debugf("container %q: nsexec container setup: process %d is born", x.rec.ID, pid)
		return born(pid)
	}
	q.Gate = func(c *userns.Child, name string) error {
		x.run.debugf("container %q: child process in init(): process %d has come to the gate %q", x.rec.ID, c.Pid, name)
		err := gate(c, name)
		if err == nil && name == gateReady {
			x.run.debugf("setns_init: about to exec %q in container %q", x.spec.Process.Args, x.rec.ID)
		}
		return err
	}
	return q
}

// tell is the end of a start that went well.
func (b *birth) tell(c *Container) {
	if b.run.Debug == nil {
		return
	}
	b.run.debugf("container %q: init: closing the pipe to signal completion: process %d, cgroup %q, state in %s, runs %q", b.ID, c.Pid, b.group.place.Path, b.dir.Path, b.Spec.Process.Args)
	names := map[kernel.Result][]string{}
	for _, o := range b.contract.Every() {
		names[o.Result] = append(names[o.Result], o.Feature)
	}
	for _, result := range []kernel.Result{kernel.Granted, kernel.Degraded, kernel.Refused, kernel.NotAsked} {
		if len(names[result]) > 0 {
			b.run.debugf("container %q: %s: %s", b.ID, result, strings.Join(names[result], ", "))
		}
	}
}

// kinds are the names of the namespaces in clone flags.
func kinds(flags uintptr) string {
	var names []string
	for _, k := range world.Kinds {
		if flags&k.Flag != 0 {
			names = append(names, string(k.Name))
		}
	}
	if flags&unix.CLONE_NEWUSER == 0 {
		names = append(names, "no user namespace")
	}
	return strings.Join(names, ", ")
}
