package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sandbox/pkg/spec"
)

func (a *app) spec(cmd *cobra.Command) {
	var bundle string
	var forUser bool
	cmd.Args = exactly(0)
	cmd.Flags().StringVarP(&bundle, "bundle", "b", ".", "`DIR` to write config.json into")
	// The same name as runc's global flag, behind the command as runc has it.
	cmd.Flags().BoolVar(&forUser, "rootless", false, "for a caller without root")
	cmd.RunE = func(*cobra.Command, []string) error {
		s := spec.Default()
		if forUser {
			spec.ForUser(s, uint32(os.Geteuid()), uint32(os.Getegid()))
		}
		return spec.Write(s, filepath.Join(bundle, spec.ConfigName))
	}
}
