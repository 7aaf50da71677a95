package main

import (
	"github.com/spf13/cobra"

	"sandbox/pkg/lifecycle"
)

func (a *app) features(cmd *cobra.Command) {
	cmd.Long = `Print what this program can do, as the features document of the OCI runtime
specification. What this host allows is another question: see "sandbox check".`
	cmd.Args = exactly(0)
	cmd.RunE = func(*cobra.Command, []string) error {
		f := lifecycle.Features()
		f.Annotations["org.opencontainers.runc.version"] = runcVersion
		f.Annotations["io.github.sandbox.version"] = version
		if c := commit(); c != "" {
			f.Annotations["io.github.sandbox.commit"] = c
		}
		return printJSON(f)
	}
}

// runcVersion is the runc whose commands, flags and messages these are
// compatible with; the specification of the annotation asks for it.
const runcVersion = "1.4.0"
