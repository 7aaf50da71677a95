package main

import (
	"github.com/spf13/cobra"

	"sandbox/pkg/lifecycle"
)

func (a *app) create(cmd *cobra.Command) {
	var b bundleFlags
	var n networkFlags
	cmd.Long = `Create a container from a bundle. Its process exists, in its namespaces and with
its root, and waits; "sandbox start ID" lets it run its program.`
	cmd.Example = "  sandbox create --bundle ./bundle --pid-file pid web\n  sandbox start web"
	cmd.Args = exactly(1)
	b.add(cmd.Flags())
	n.add(cmd.Flags())
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		r, err := a.runtime()
		if err == nil {
			err = r.Kernel.FilesLeft(formBundle.files())
		}
		if err != nil {
			return err
		}
		o, err := b.options(r, args[0])
		if err != nil {
			return err
		}
		if err := settle(&o, n.joinOrMake(r, true), activate); err != nil {
			return err
		}
		if err := b.dial(&o, true); err != nil {
			return err
		}
		report, err := openReport(b.report)
		if err != nil {
			return err
		}
		defer report.close()
		if r.Signals, err = lifecycle.CatchEndings(); err != nil {
			return err
		}
		c, err := r.Create(o)
		if err != nil {
			return err
		}
		if err := report.write(c); err != nil {
			_ = r.Delete(c.ID, true)
			return err
		}
		a.reportLoss(c.Contract)
		return nil
	}
}

func (a *app) start(cmd *cobra.Command) {
	cmd.Args = exactly(1)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		r, err := a.runtime()
		if err != nil {
			return err
		}
		return r.Start(args[0], notifySocket())
	}
}
