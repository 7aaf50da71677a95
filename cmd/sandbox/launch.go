package main

import (
	"cmp"
	"fmt"

	"sandbox/pkg/kernel"
	"sandbox/pkg/lifecycle"
)

// launch runs it: in the foreground until the payload ends, or in the
// background.
func (a *app) launch(r *lifecycle.Runtime, f *runFlags, o lifecycle.Options) error {
	defer r.Sweep() // when nobody waits for the command any more
	o.Attached = !f.detach
	o.AutoRemove = !f.keep && (!f.detach || f.rm)
	o.Silent, o.KeepSignals = f.detach && a.human, a.human
	report, err := openReport(f.report)
	if err != nil {
		return err
	}
	defer report.close()
	t := &foreground{job: a.human}
	defer t.close()
	if o.Spec.Process.Terminal && !f.detach && o.Console == nil {
		if o.TTY, err = t.openTerminal(); err != nil {
			return err
		}
		o.Errors = f.own.errors
	}
	if !f.detach {
		r.Signals, err = lifecycle.CatchSignals(o.KeepSignals)
		if err = cmp.Or(err, leaveTerminal(o.Spec.Process)); err != nil {
			return err
		}
	} else if r.Signals, err = lifecycle.CatchEndings(); err != nil {
		return err
	}
	c, err := r.Run(o)
	if err != nil {
		return a.startError(err)
	}
	f.leaveVolumes(false)
	a.reportLoss(c.Contract)
	if err := report.write(c); err != nil {
		a.warn(err.Error()) // it runs
	}
	if err := f.held.begin(f.detach); err != nil {
		a.warn("podman and the like may remove its image while it runs: " + err.Error())
	}
	if f.detach {
		if a.human {
			fmt.Println(c.ID)
		}
		return nil
	}
	watchGuards(f.made.Guards, o.Spec.Process.Args)
	a.exit, err = t.wait(c, r.Signals)
	if err := f.held.end(); err != nil {
		a.warn("podman and the like could have removed its image while it ran: " + err.Error())
	}
	a.checkGuards(f.made.Guards)
	r.Settled(c)
	if oom := c.OOM(); oom != nil {
		a.warn(oomText(oom.Kills, oom.Limit, oom.Peak))
	}
	if o.AutoRemove {
		r.Remove(c)
	}
	return err
}

// startError keeps the exit status that a shell would give for a program that
// cannot be run. With a bundle it is runc's: 1.
func (a *app) startError(err error) error {
	if a.human {
		a.status = lifecycle.ExitStatus(err)
	}
	return err
}

// reportLoss prints one line for each loss of a contract.
func (a *app) reportLoss(c kernel.Contract) {
	for _, o := range c {
		if o.Result != kernel.Granted && o.Cause != nil {
			a.warn(cmp.Or(o.Lost, o.Feature+" is "+string(o.Result)) + ": " + o.Cause.String())
		}
	}
}
