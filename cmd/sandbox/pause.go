package main

import "github.com/spf13/cobra"

func (a *app) pause(cmd *cobra.Command) {
	cmd.Args = exactly(1)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		r, err := a.runtime()
		if err != nil {
			return err
		}
		return r.Pause(args[0])
	}
}

func (a *app) resume(cmd *cobra.Command) {
	cmd.Args = exactly(1)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		r, err := a.runtime()
		if err != nil {
			return err
		}
		return r.Resume(args[0])
	}
}
