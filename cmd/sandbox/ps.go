package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sandbox/pkg/helper"
	"sandbox/pkg/printable"
)

func (a *app) ps(cmd *cobra.Command) {
	format := formatFlag(cmd, "f")
	cmd.Flags().SetInterspersed(false)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return exactly(1)(cmd, args)
		}
		// `ps ID -f json` is ours, `ps ID -ef` and `ps ID -f` go to ps.
		if len(args) > 2 && args[1] == "-f" && (args[2] == "json" || args[2] == "table") || len(args) > 1 && strings.HasPrefix(args[1], "--format") {
			if err := cmd.Flags().Parse(args[1:]); err != nil {
				return err
			}
			args = append(args[:1], cmd.Flags().Args()...)
		}
		r, err := a.runtime()
		if err != nil {
			return err
		}
		pids, err := r.Ps(args[0])
		if err != nil {
			return err
		}
		if *format == "json" {
			return printLine(append([]int{}, pids...)) // none is [], not null
		}
		return psTable(&r.Helpers, pids, args[1:])
	}
}

// psTable shows the lines of ps(1) that belong to the container.
func psTable(helpers *helper.Finder, pids []int, options []string) error {
	if len(options) == 0 {
		options = []string{"-ef"}
	}
	program, err := helpers.Find("ps", nil)
	if err != nil {
		return fmt.Errorf("%w (install procps, or use --format json)", err)
	}
	ps := exec.Command(program.As(3), options...)
	ps.Args[0] = "ps"
	if program.File != nil {
		ps.ExtraFiles = []*os.File{program.File}
	}
	out, err := ps.Output()
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		said, _, _ := strings.Cut(strings.TrimSpace(string(ended.Stderr)), "\n")
		return fmt.Errorf("ps %s: %w: %s", strings.Join(options, " "), err, said)
	case err != nil:
		return fmt.Errorf("ps %s: %w", strings.Join(options, " "), err)
	}
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	column := slices.Index(strings.Fields(lines[0]), "PID")
	if column < 0 {
		return fmt.Errorf("ps %s: its output has no column PID", strings.Join(options, " "))
	}
	fmt.Println(lines[0])
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		if column < len(fields) {
			if pid, err := strconv.Atoi(fields[column]); err == nil && slices.Contains(pids, pid) {
				fmt.Println(printable.Text(line)) // names of processes are their own
			}
		}
	}
	return nil
}
