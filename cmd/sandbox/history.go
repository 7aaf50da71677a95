package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
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
	human := cmd.Flags().BoolP("human", "H", true, "sizes and dates for reading")
	format := templateFlag(cmd, "")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		img, conf, sizes, err := a.oneImage(args[0])
		if err != nil {
			return err
		}
		lines := historyOf(img, conf, sizes)
		if *format == "json" {
			return printJSON(lines)
		}
		steps := stepsOf(lines, whole, *human)
		if format.isTemplate() {
			return a.templated("history", format, steps)
		}
		return printHistory(steps, quiet)
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

// stepsOf are the lines as a table has them.
func stepsOf(lines []step, whole, human bool) (steps []image.Step) {
	for _, l := range lines {
		s := image.Step{ID: l.ID, CreatedSince: ago(l.Created), CreatedAt: l.Created.Format(time.RFC3339), CreatedBy: l.By, Size: decimal(l.Size), Comment: l.Comment}
		s.Created = s.CreatedSince
		if !human {
			s.Created, s.Size = s.CreatedAt, strconv.FormatInt(l.Size, 10)
		}
		if !whole && len(s.ID) > 12 {
			s.ID = s.ID[:12]
		}
		if r := []rune(s.CreatedBy); !whole && len(r) > 45 {
			s.CreatedBy = string(r[:42]) + "..."
		}
		steps = append(steps, s)
	}
	return steps
}

func printHistory(steps []image.Step, quiet bool) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	if !quiet {
		_, _ = fmt.Fprintln(w, "ID\tCREATED\tCREATED BY\tSIZE\tCOMMENT")
	}
	for _, s := range steps {
		if quiet {
			_, _ = fmt.Fprintln(w, s.ID)
			continue
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.ID, s.Created, printable.Text(s.CreatedBy), s.Size, printable.Text(s.Comment))
	}
	return w.Flush()
}
