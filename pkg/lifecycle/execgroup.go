package lifecycle

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/state"
)

// execGroup is the cgroup that one more process of a container belongs in.
type execGroup struct {
	place cgroup2.Placement // zero: the container is in its caller's
	path  string
	dir   *os.File
}

// openGroup opens the group that the container's own process is in now: it may
// have moved itself below its own, as systemd does, and a group with controllers
// for those below it takes no process (cgroup-v2.rst, "No Internal Process
// Constraint").
func (r *Runtime) openGroup(rec *state.Record, below string) (*execGroup, error) {
	g := &execGroup{place: rec.Cgroup}
	if !rec.Cgroup.Owned {
		if below != "" {
			return nil, fmt.Errorf("--cgroup %s: the container has no cgroup of its own", below)
		}
		return g, nil
	}
	var err error
	if g.path, err = rec.Cgroup.Current(r.Groups, rec.Pid, below); err != nil {
		return nil, err
	}
	fd, err := unix.Open(r.Groups.Group(g.path).Dir(), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the container's cgroup %s: %w", g.path, err)
	}
	g.dir = os.NewFile(uintptr(fd), "cgroup")
	return g, nil
}

func (g *execGroup) close() {
	if g.dir != nil {
		g.dir.Close()
		g.dir = nil
	}
}

// wait appends the gate at which a process is moved that was born elsewhere.
func (g *execGroup) wait(p *plan.Plan) {
	if g.place.Owned && g.dir == nil {
		p.Act("wait until the process is in the container's cgroup")
		p.Gate(gateGroup)
	}
}

func (g *execGroup) join(r *Runtime, pid int) error {
	if err := g.place.Join(r.Groups, g.path, pid); err != nil {
		return r.because(kernel.Op{Do: kernel.UseCgroup, Path: g.path}, fmt.Errorf("enter the container's cgroup: %w", err))
	}
	return nil
}
