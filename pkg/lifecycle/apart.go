package lifecycle

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/proc"
	"sandbox/pkg/world"
)

// apart refuses a container that would see processes of ours which may do more than it,
// and have the right to take them over. Such are those that hold a network: they are in
// the user namespace of its container, without capabilities, so that root there may trace
// them (ptrace(2)), and they have this host's network. Whoever shares our pid namespace
// sees them: their own container, and one that joins its user namespace.
//
// Decided by the namespaces that were opened, not by their names.
func (g *program) apart() error {
	if g.fresh(unix.CLONE_NEWPID) || g.world.NS.Joined(unix.CLONE_NEWPID) {
		return nil
	}
	if w := g.network; w.Needed() && w.Short != nil { // none was chosen, and there are ports
		return seen(errors.New("--publish needs a network of the container's own"))
	} else if w.Needed() {
		return seen(fmt.Errorf("--network %s", w.Words()))
	}
	for _, j := range g.world.NS.Joins {
		if j.Flag != unix.CLONE_NEWUSER {
			continue
		}
		id, err := g.run.networkIn(j.File)
		if err != nil {
			return err
		}
		if id != "" {
			return seen(fmt.Errorf("join the user namespace of container %s, which has a network", id))
		}
	}
	return nil
}

func seen(err error) error {
	return &kernel.Refusal{Cause: kernel.New(kernel.NetworkSeen), Err: err}
}

// networkIn is a container in that user namespace whose network is held by processes of
// ours, "" for none.
func (r *Runtime) networkIn(namespace *os.File) (string, error) {
	names, err := r.Root.List(-1)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, name := range names {
		d, err := r.Root.Dir(name)
		if err != nil {
			continue // not ours
		}
		rec, err := d.Read()
		d.Close()
		if err == nil && rec.Helper != nil && rec.Alive() && world.Same(namespace, proc.Dir(rec.Pid)+"/ns/user") {
			return rec.ID, nil
		}
	}
	return "", nil
}

// seesUs says whether a spec asks for our own pid namespace. What it opens decides in the
// end, see apart.
func seesUs(s *specs.Spec) bool {
	if s.Linux == nil {
		return true
	}
	for _, n := range s.Linux.Namespaces {
		if n.Type != specs.PIDNamespace {
			continue
		}
		var ours, theirs unix.Stat_t
		return n.Path != "" && unix.Stat(n.Path, &theirs) == nil && unix.Stat("/proc/self/ns/pid", &ours) == nil && ours.Ino == theirs.Ino && ours.Dev == theirs.Dev
	}
	return true
}
