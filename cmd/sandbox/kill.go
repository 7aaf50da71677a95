package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sandbox/pkg/lifecycle"
)

func (a *app) kill(cmd *cobra.Command) {
	var all bool
	cmd.Flags().BoolVarP(&all, "all", "a", false, "signal every process of the container")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 || len(args) > 2 {
			return &usageError{fmt.Errorf("\"kill\" takes a container and a signal: %s", cmd.UseLine()), 1}
		}
		return nil
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		sig, err := lifecycle.Signal(append(args, "TERM")[1])
		if err != nil {
			return err
		}
		r, err := a.runtime()
		if err != nil {
			return err
		}
		return r.Kill(args[0], sig, all)
	}
}

func (a *app) delete(cmd *cobra.Command) {
	var force bool
	cmd.Flags().BoolVarP(&force, "force", "f", false, "kill it first when it runs; no error when there is none")
	cmd.Args = exactly(1)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		r, err := a.runtime()
		if err != nil {
			return err
		}
		return r.Delete(args[0], force)
	}
}
