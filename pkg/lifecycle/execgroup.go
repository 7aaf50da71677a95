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

// execGroup is the cgroup that one more process of a container belongs in: the container's own, as with runc, or one below
// it that was asked for.
type execGroup struct {
	rec    *state.Record
	frozen bool // may be joined all the same
	sub    string
	path   string // "" where the container has none, and is in its caller's
	dir    *os.File
}

// openGroup opens it. Where it is gone, or takes no process because it has controllers for those below it (cgroup-v2.rst,
// "No Internal Process Constraint"), the container's process is in another one, which join finds.
func (r *Runtime) openGroup(rec *state.Record, o *ExecOptions) (*execGroup, error) {
	g := &execGroup{rec: rec, frozen: o.IgnorePaused, sub: o.Group}
	if !rec.Cgroup.Owned {
		if g.sub != "" {
			return nil, fmt.Errorf("--cgroup %s: the container has no cgroup of its own", g.sub)
		}
		return g, nil
	}
	var err error
	if g.path, err = rec.Cgroup.Below(g.sub); err != nil {
		return nil, fmt.Errorf("--cgroup: %w", err)
	}
	if err := g.thawed(r.Groups.Group(g.path)); err != nil {
		return nil, err
	}
	fd, err := unix.Open(r.Groups.Group(g.path).Dir(), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == nil {
		g.dir = os.NewFile(uintptr(fd), "cgroup")
	} else if g.sub != "" {
		return nil, fmt.Errorf("open the container's cgroup %s: %w", g.path, err)
	}
	return g, nil
}

// thawed is an error for a group in which a process would not get as far as its program, and we wait for that: the payload
// may have frozen one below the container's own, which is no pause of ours.
func (g *execGroup) thawed(group cgroup2.Group) error {
	if !g.frozen && group.FrozenBelow(g.rec.Cgroup.Path) {
		return fmt.Errorf("cgroup %s is frozen, by itself or by one above it: the process could not start there", group.Path)
	}
	return nil
}

func (g *execGroup) close() {
	if g.dir != nil {
		g.dir.Close()
		g.dir = nil
	}
}

// wait appends the gate at which a process is moved that was born elsewhere.
func (g *execGroup) wait(p *plan.Plan) {
	if g.path != "" && g.dir == nil {
		p.Act("wait until the process is in the container's cgroup")
		p.Gate(gateGroup)
	}
}

func (g *execGroup) join(r *Runtime, pid int) error {
	err := g.rec.Cgroup.Join(r.Groups, g.path, pid)
	if err == nil {
		return nil
	}
	if g.sub == "" {
		instead := g.joinPayload(r, pid)
		if instead == nil {
			return nil
		}
		err = fmt.Errorf("%w; and %w", err, instead)
	}
	return r.because(kernel.Op{Do: kernel.UseCgroup, Path: g.path}, fmt.Errorf("adding pid %d to cgroups: %w", pid, err))
}

// joinPayload moves a process to where the container's is, which has moved itself, as systemd does.
func (g *execGroup) joinPayload(r *Runtime, pid int) error {
	path, err := r.Groups.Of(g.rec.Pid)
	if err != nil {
		return err
	}
	if err := g.thawed(r.Groups.Group(path)); err != nil {
		return err
	}
	return g.rec.Cgroup.Join(r.Groups, path, pid)
}
