package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"sandbox/pkg/console"
)

func (a *app) recvtty(cmd *cobra.Command) {
	var mode, pidFile string
	var noStdin bool
	cmd.Long = `Wait at a console socket for the terminal of a container, and be it: for
"sandbox create --console-socket SOCKET". In mode null, take any number of them and drop
what they print.`
	cmd.Flags().StringVarP(&mode, "mode", "m", "single", "single or null")
	cmd.Flags().StringVar(&pidFile, "pid-file", "", "write our process id to `FILE` when ready")
	cmd.Flags().BoolVar(&noStdin, "no-stdin", false, "type nothing into it")
	cmd.Args = exactly(1)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		m, err := console.ParseMode(mode)
		if err != nil {
			return &usageError{err, 1}
		}
		r := console.Receiver{Path: args[0], Mode: m, Out: os.Stdout, PIDFile: pidFile}
		if !noStdin {
			r.In = os.Stdin
		}
		return console.RecvTTY(context.Background(), r)
	}
}
