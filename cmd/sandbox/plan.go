package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func (a *app) plan(cmd *cobra.Command) {
	var f runFlags
	var format string
	cmd.Long = `Print every step that the start of a container would take, in order, with the
numbers that errors use. Nothing is done and no privilege is needed. It takes the
flags and forms of "sandbox run"; with a bundle the ID may be left out.`
	cmd.Example = "  sandbox plan -- true\n  sandbox plan -b ./bundle"
	cmd.Flags().SetInterspersed(false)
	f.add(cmd.Flags())
	cmd.Flags().StringVar(&format, "format", "table", "table or json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.bundle != "" && len(args) == 0 {
			args = []string{"ID"}
		}
		if f.name == "" {
			f.name = "ID"
		}
		r, o, err := a.prepare(cmd, &f, args)
		if err != nil {
			return err
		}
		o.Attached = !f.detach
		p, err := r.Plan(o)
		if err != nil {
			return err
		}
		switch format {
		case "json":
			return printJSON(p)
		case "table":
			return p.Print(os.Stdout)
		}
		return &usageError{fmt.Errorf("--format %q: table or json", format), 1}
	}
}
