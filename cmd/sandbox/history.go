package main

import (
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sandbox/pkg/image"
	"sandbox/pkg/printable"
)

func (a *app) history(cmd *cobra.Command) {
	var quiet, whole bool
	cmd.Args = exactly(1)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "ids only")
	cmd.Flags().BoolVar(&whole, "no-trunc", false, "whole ids and commands")
	format := formatFlag(cmd, "")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		a.status = 125
		img, conf, sizes, err := a.oneImage(args[0])
		if err != nil {
			return err
		}
		lines := historyOf(img, conf, sizes)
		if *format == "json" {
			return printJSON(lines)
		}
		return printHistory(lines, quiet, whole)
	}
}

// step is a line of `history`.
type step struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	By      string    `json:"CreatedBy"`
	Size    int64     `json:"size"`
	Comment string    `json:"comment"`
}

// historyOf is how an image came to be, the last step first. A step that made a layer has that one's size.
func historyOf(img *image.Image, conf *image.Config, sizes *image.Sizes) (lines []step) {
	chain, id := sizes.Chain(img), img.ID
	for _, h := range slices.Backward(conf.History) {
		s := step{ID: id, Created: h.Created, By: h.CreatedBy, Comment: h.Comment}
		id = "<missing>"
		if !h.EmptyLayer && len(chain) > 0 {
			s.Size, chain = chain[0].Size, chain[1:]
		}
		lines = append(lines, s)
	}
	return lines
}

func printHistory(lines []step, quiet, whole bool) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	if !quiet {
		_, _ = fmt.Fprintln(w, "ID\tCREATED\tCREATED BY\tSIZE\tCOMMENT")
	}
	for _, s := range lines {
		id, by := s.ID, printable.Text(s.By)
		if !whole && len(id) > 12 {
			id = id[:12]
		}
		if r := []rune(by); !whole && len(r) > 45 {
			by = string(r[:42]) + "..."
		}
		if quiet {
			_, _ = fmt.Fprintln(w, id)
			continue
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", id, ago(s.Created), by, decimal(s.Size), printable.Text(s.Comment))
	}
	return w.Flush()
}
