package main

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sandbox/pkg/kernel"
	"sandbox/pkg/lifecycle"
	"sandbox/pkg/printable"
)

func (a *app) plan(cmd *cobra.Command) {
	var f runFlags
	cmd.Long = `Print every step that the start of a container would take, in order, with the
numbers that errors use. Nothing is done and no privilege is needed. It takes the
flags and forms of "sandbox run"; with a bundle the ID may be left out.`
	cmd.Example = "  sandbox plan -- true\n  sandbox plan -b ./bundle"
	cmd.Flags().SetInterspersed(false)
	f.add(cmd.Flags())
	format := formatFlag(cmd, "")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.bundle != "" && len(args) == 0 {
			args = []string{"ID"}
		}
		if f.name == "" {
			f.name = "ID"
		}
		f.plans = true
		r, o, err := a.prepare(cmd, &f, args)
		if err != nil {
			return err
		}
		o.Attached = !f.detach
		if err := f.pretend(&o, a.human); err != nil {
			return err
		}
		p, contract, err := r.Plan(o)
		if err != nil {
			return err
		}
		if *format == "json" {
			return printJSON(struct {
				Contract kernel.Contract `json:"contract"`
				Steps    any             `json:"steps"`
			}{contract.Every(), p})
		}
		out := bufio.NewWriter(os.Stdout)
		if err := cmp.Or(p.Print(out), out.Flush()); err != nil {
			return err
		}
		return printContract(contract)
	}
}

// pretend stands in for the sockets that a start would dial: the steps name their numbers only.
func (f *runFlags) pretend(o *lifecycle.Options, job bool) error {
	own := o.Spec.Process.Terminal && !f.detach
	if f.consoleSocket == "" && !own {
		return nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	o.Console = null
	if f.consoleSocket == "" {
		o.TTY = ttyOf(null, job)
		o.Errors = f.own.errors
	}
	return err
}

// printContract tells what the container would have, as far as is known before it runs.
func printContract(c kernel.Contract) error {
	var granted, notAsked []string
	text := ""
	for _, o := range c.Every() {
		switch o.Result {
		case kernel.Granted:
			granted = append(granted, o.Feature)
			continue
		case kernel.NotAsked:
			notAsked = append(notAsked, o.Feature)
			continue
		}
		text += fmt.Sprintf("%s %s: %s\n", o.Result, o.Feature, printable.Text(o.Lost))
		if o.Cause != nil {
			text += fmt.Sprintf("      %s\n", printable.Text(o.Cause.String()))
		}
	}
	_, err := fmt.Printf("\ngranted: %s\nnot asked: %s\n%s", strings.Join(granted, ", "), strings.Join(notAsked, ", "), text)
	return err
}
