package main

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"sandbox/pkg/lifecycle"
)

func (a *app) events(cmd *cobra.Command) {
	var once bool
	var interval time.Duration
	cmd.Long = `Print a line of JSON with what the container has used, every interval, and one
whenever the kernel's out-of-memory killer has been in it, until the container ends.`
	cmd.Args = exactly(1)
	cmd.Flags().BoolVar(&once, "stats", false, "print what it has used now, and end")
	cmd.Flags().DurationVar(&interval, "interval", 5*time.Second, "time between two lines")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if interval <= 0 {
			return &usageError{errors.New("duration interval must be greater than 0"), 1}
		}
		r, err := a.runtime()
		if err != nil {
			return err
		}
		if once {
			return printStats(r, args[0])
		}
		return r.Events(args[0], interval, func(e lifecycle.Event) error { return printLine(e) })
	}
}

func printStats(r *lifecycle.Runtime, id string) error {
	s, err := r.Stats(id)
	if err != nil {
		return err
	}
	return printLine(lifecycle.Event{Type: "stats", ID: id, Data: s})
}

// oomText tells of the out-of-memory killer, for people.
func oomText(kills, limit, peak uint64) string {
	what := "a process"
	if kills > 1 {
		what = fmt.Sprintf("%d processes", kills)
	}
	text := "the kernel's out-of-memory killer ended " + what + " of the container"
	if limit != math.MaxUint64 {
		text += ": its limit is " + size(limit)
	}
	if peak > 0 {
		text += ", it had used " + size(peak)
	}
	return text + "; --memory sets the limit"
}

// size is a number of bytes as people write it, with binary units.
func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return fmt.Sprintf("%.4g%s", f, units[i])
}
