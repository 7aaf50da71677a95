package lifecycle

import (
	"errors"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/plan"
	"sandbox/pkg/state"
	"sandbox/pkg/world"
)

// execution is one more process of a container while its plan is written: the second
// half of a start, without a tree to make, in two processes. The first is outside of the
// container's sight and has our rights; what is seen has the payload's.
type execution struct {
	ExecOptions
	run    *Runtime
	rec    *state.Record
	spec   *specs.Spec // the container's, with this process
	tty    TTY         // who has its terminal
	proc   *confine.Process
	where  *world.Entry
	labels labels
	plan   *plan.Plan
	null   *os.File // the null device for standard files that are it already, in one direction
}

// enter begins a plan: the way into the container.
func (x *execution) enter(group *execGroup) error {
	p, proc := plan.New(), x.spec.Process
	x.plan, p.Private = p, x.run.private()
	if a := proc.ExecCPUAffinity; a != nil {
		if err := confine.Affinity(p, "process.execCPUAffinity.initial", a.Initial); err != nil {
			return err
		}
	}
	// Before it enters, while it owns its files in /proc.
	confine.OOMScore(p, proc)
	processes := confine.Ahead(p, proc.Rlimits, x.run.raises())
	var err error
	if x.where, err = world.Enter(p, x.rec.Pid); errors.Is(err, os.ErrNotExist) {
		return errStopped
	} else if err != nil {
		return err
	}
	if !x.rec.Alive() { // nor was what has just been opened by its number
		return errStopped
	}
	group.wait(p)
	facts := x.run.facts(x.spec, x.where.Userns)
	facts.Processes = processes
	x.proc = confine.New(proc, facts)
	x.run.warnFlat(x.proc)
	return nil
}

// write appends everything behind the entry.
func (x *execution) write() error {
	filter, err := recordedFilter(x.rec, x.proc)
	if err != nil {
		return err
	}
	if err := x.outside(); err != nil {
		return err
	}
	return filter.end(x.plan, x.proc, true, x.inside)
}

// outside is what takes rights, or files of ours.
func (x *execution) outside() error {
	p, proc := x.plan, x.spec.Process
	if x.rec.NoPivot {
		if err := x.where.Chroot(p, x.rec.Pid); errors.Is(err, os.ErrProcessDone) {
			return errStopped
		} else if err != nil {
			return err
		}
	}
	world.DefaultSignals(p)
	if proc.Terminal {
		world.Standard(p, world.Terminal(p, 0, proc, x.tty, false), x.tty)
	}
	world.OwnFiles(p, proc, x.tty)
	if x.null != nil {
		world.Null(p, int(x.null.Fd()), world.HalfNull(proc, x.tty))
	}
	if !x.rec.NoNewKeyring {
		world.Keyring(p)
	}
	x.labels.write(p)
	world.Descriptors(p, 3+x.PreserveFds)
	world.RestoreFiles(p, x.run.Files)
	// A fork keeps these, and filters often refuse them.
	if err := confine.Tune(p, x.tuning().Plain()); err != nil {
		return err
	}
	x.proc.Enter(p)
	scope(p, x.proc, x.rec.Scoped && x.run.scopes())
	return nil
}

// inside is the rest.
func (x *execution) inside(last ending) error {
	p := x.plan
	x.where.Born(p)
	if x.Attached {
		p.Act("end with the foreground process") // as soon as may be: a payload can stop what it sees
		p.Prctl(unix.PR_SET_PDEATHSIG, plan.C(int(unix.SIGKILL)))
	}
	p.Act("begin a session")
	p.Do("setsid", unix.SYS_SETSID)
	if x.spec.Process.Terminal {
		world.Controlling(p)
	}
	if err := x.proc.Limits(p); err != nil {
		return err
	}
	if !x.tunes() {
		if err := confine.Tune(p, x.tuning().Rest()); err != nil {
			return err
		}
	}
	x.proc.Cwd(p)
	program := x.proc.Find(p)
	p.Act("wait until the process is recorded")
	p.Gate(gateReady)
	x.proc.Exec(p, program, func() { last(plan.C(3 + x.PreserveFds)) })
	x.where.Leave(p)
	return nil
}

// tunes says whether we set the process's scheduling, at its gate: it has given up the
// right to, which we have.
func (x *execution) tunes() bool {
	return x.run.Self.Has(unix.CAP_SYS_NICE) && x.run.Self.InitialUserns()
}

// tuning is what the kernel's schedulers and memory policies are told.
func (x *execution) tuning() confine.Tuning {
	t := tuning(x.spec)
	if a := x.spec.Process.ExecCPUAffinity; a != nil {
		t.CPUs = a.Final
	}
	return t
}

// born is told of the process, which waits at its gate.
func (x *execution) born(pid int) error {
	if x.tunes() {
		if err := confine.TuneOf(pid, x.tuning()); err != nil {
			return err
		}
	}
	if x.where.Userns && x.run.Self.Has(unix.CAP_CHOWN) {
		world.GiveFiles(pid, x.spec.Process, x.tty)
	}
	if err := sendPidfd(x.PidfdSocket, "setns", pid); err != nil {
		return err
	}
	if x.PidFile == "" {
		return nil
	}
	return writePid(x.PidFile, pid)
}
