package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sandbox/pkg/lifecycle"
	"sandbox/pkg/printable"
)

// exactly is cobra.ExactArgs with a message that says what is missing.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return &usageError{fmt.Errorf("%q takes exactly %d argument(s), not %d: %s", cmd.Name(), n, len(args), cmd.UseLine()), 1}
	}
}

func (a *app) state(cmd *cobra.Command) {
	cmd.Args = exactly(1)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		r, err := a.runtime()
		if err != nil {
			return err
		}
		s, err := r.State(args[0])
		if err != nil {
			return err
		}
		if s.Contract != nil { // a record of an earlier version may have none
			s.Contract = s.Contract.Every()
		}
		return printJSON(s)
	}
}

func (a *app) list(cmd *cobra.Command) {
	var quiet bool
	cmd.Args = exactly(0)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print only ids")
	format := formatFlag(cmd, "f")
	cmd.RunE = func(*cobra.Command, []string) error {
		a.human = true
		r, err := a.runtime()
		if err != nil {
			return err
		}
		if a.root != "" { // without one a directory that is not there yet has no containers in it
			if _, err := r.Root.Open(); err != nil {
				return fmt.Errorf("--root: %w", err)
			}
		}
		all, err := r.List()
		if err != nil {
			return err
		}
		if quiet {
			for _, s := range all {
				fmt.Println(s.ID)
			}
			return nil
		}
		if *format == "json" {
			return printLine(all)
		}
		return table(all)
	}
}

// table has runc's columns.
func table(all []lifecycle.State) error {
	w := tabwriter.NewWriter(os.Stdout, 12, 1, 3, ' ', 0)
	// Rows stay in w until Flush, so an error of standard output comes from there.
	_, _ = fmt.Fprintln(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER")
	for _, s := range all {
		_, _ = fmt.Fprintln(w, strings.Join([]string{s.ID, fmt.Sprint(s.Pid), string(s.Status), printable.Text(s.Bundle), s.Created, s.Owner}, "\t"))
	}
	return w.Flush()
}
