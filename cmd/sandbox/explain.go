package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sandbox/pkg/helper"
	"sandbox/pkg/kernel"
	"sandbox/pkg/lifecycle"
	"sandbox/pkg/printable"
)

func (a *app) explain(cmd *cobra.Command) {
	format := formatFlag(cmd, "")
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		list := kernel.List()
		if len(args) == 1 {
			c, ok := kernel.Lookup(args[0])
			if !ok {
				return fmt.Errorf("no cause has the code %q; `sandbox explain` lists them", args[0])
			}
			list = []kernel.Cause{c}
		}
		if *format == "json" {
			return printJSON(list)
		}
		if len(args) == 1 {
			_, err := os.Stdout.WriteString(list[0].Long())
			return err
		}
		return printCauses(list)
	}
}

func printCauses(list []kernel.Cause) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 1, 2, ' ', 0)
	for _, c := range list {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", c.Code, c.Summary) // only Flush writes
	}
	return w.Flush()
}

func (a *app) check(cmd *cobra.Command) {
	format := formatFlag(cmd, "")
	cmd.Args = exactly(0)
	cmd.RunE = func(*cobra.Command, []string) error {
		helpers := &helper.Finder{Given: a.helpers, Exe: a.exe.path}
		found := append(kernel.Host{Helpers: helpers}.Check(os.Getenv), lifecycle.CheckIDs(helpers)...)
		if *format == "json" {
			return printLine(found)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 1, 2, ' ', 0)
		for _, f := range found {
			detail := f.Detail
			if f.Cause != nil {
				detail += " [" + string(f.Cause.Code) + "]"
				if len(f.Cause.Fixes) > 0 {
					detail += "; fix: (" + string(f.Cause.Fixes[0].For) + ") " + f.Cause.Fixes[0].Do
				}
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", f.Feature, f.State, printable.Text(detail)) // only Flush writes
		}
		return w.Flush()
	}
}
