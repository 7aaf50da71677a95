package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sandbox/pkg/helper"
	"sandbox/pkg/image"
	"sandbox/pkg/kernel"
	"sandbox/pkg/printable"
)

// imageProgram is what writes the store and speaks to registries.
const imageProgram = "sandbox-image"

// byHelper is a command that the other program does, flags and all: this one becomes that.
func (a *app) byHelper(cmd *cobra.Command) {
	cmd.DisableFlagParsing = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.become(cmd.Name(), args)
	}
}

func (a *app) become(verb string, args []string) error {
	a.status = 125
	r, err := a.runtime()
	if err != nil {
		return err
	}
	p, err := findImageProgram(&r.Helpers)
	if err != nil {
		return err
	}
	argv := append([]string{imageProgram, image.Protocol, verb}, args...)
	return fmt.Errorf("start %s: %w", p.Path, unix.Exec(p.Here(), argv, os.Environ()))
}

// imageGroup are the commands under podman's other names for them.
func (a *app) imageGroup(cmd *cobra.Command) {
	cmd.DisableFlagParsing = true
	own := map[string]func(*cobra.Command){"ls": a.images, "list": a.images, "inspect": a.inspect, "history": a.history, "tree": a.imageTree, "diff": a.imageDiff}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
			return cmd.Help()
		}
		if len(args) == 0 || strings.HasPrefix(args[0], "-") {
			return &usageError{errors.New("image takes a command: ls, inspect, history, tree, diff, pull, push, load, save, import, tag, untag, rm or prune"), 125}
		}
		build := own[args[0]]
		if build == nil {
			verb := args[0]
			if verb == "rm" {
				verb = "rmi"
			}
			return a.become(verb, args[1:])
		}
		c := &cobra.Command{Use: args[0], SilenceErrors: true, SilenceUsage: true}
		build(c)
		c.SetArgs(args[1:])
		return c.Execute()
	}
}

func findImageProgram(f *helper.Finder) (*helper.Program, error) {
	p, err := f.Find(imageProgram, nil)
	var missing *helper.MissingError
	if errors.As(err, &missing) {
		return nil, &kernel.Refusal{Cause: kernel.New(kernel.ImageProgramMissing, missing.Error()), Err: errors.New("write the store of images")}
	}
	return p, err
}

// shownImage is a line of `images`, with podman's names.
type shownImage struct {
	ID      string    `json:"Id"`
	Names   []string  `json:"Names"`
	Digest  string    `json:"Digest"`
	Created time.Time `json:"CreatedAt"`
	Unix    int64     `json:"Created"`
	Size    int64     `json:"Size"`
	Only    bool      `json:"ReadOnly"`
}

func (a *app) images(cmd *cobra.Command) {
	var quiet, whole, digests, all bool
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "ids only")
	cmd.Flags().BoolVar(&whole, "no-trunc", false, "whole ids")
	cmd.Flags().BoolVar(&digests, "digests", false, "digests too")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "also images without a name that others are made of")
	format := formatFlag(cmd, "")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		a.status = 125
		list, err := a.listImages(args, all)
		if err != nil {
			return err
		}
		if *format == "json" {
			return printJSON(list)
		}
		return printImages(list, quiet, whole, digests)
	}
}

// listImages are the images of the store, the newest first.
func (a *app) listImages(args []string, all bool) ([]shownImage, error) {
	store, found, err := a.findImages(args)
	if err != nil || len(found) == 0 {
		return []shownImage{}, err
	}
	sizes, err := store.Sizes()
	if err != nil {
		return nil, err
	}
	list := make([]shownImage, 0, len(found))
	configs := map[string]*image.Config{}
	for _, i := range found {
		if c, err := i.Config(); err == nil {
			configs[i.ID] = c
		}
	}
	for _, i := range found {
		if all || len(args) > 0 || !between(i, found, configs) {
			list = append(list, shown(i, configs[i.ID], sizes))
		}
	}
	slices.SortStableFunc(list, func(a, b shownImage) int { return b.Created.Compare(a.Created) })
	return list, nil
}

// findImages are those that were typed, or all.
func (a *app) findImages(args []string) (*image.Store, []*image.Image, error) {
	r, err := a.runtime()
	if err != nil {
		return nil, nil, err
	}
	store, err := a.imageStore(r)
	if err != nil {
		return nil, nil, err
	}
	if len(args) == 0 {
		found, err := store.Images()
		return store, found, err
	}
	one, err := store.Find(args[0])
	if errors.Is(err, image.ErrUnknown) {
		return store, nil, nil
	}
	return store, []*image.Image{one}, err
}

func shown(i *image.Image, c *image.Config, sizes *image.Sizes) shownImage {
	created := i.Created
	if c != nil && !c.Created.IsZero() {
		created = c.Created
	}
	return shownImage{i.ID, i.Names, i.Digest, created, created.Unix(), sizes.Of(i), i.ReadOnly}
}

// between says whether an image has no name, and another one was made of it: a step of a build.
func between(i *image.Image, others []*image.Image, configs map[string]*image.Config) bool {
	own := configs[i.ID]
	if len(i.Names) > 0 || own == nil {
		return false
	}
	return slices.ContainsFunc(others, func(o *image.Image) bool {
		c := configs[o.ID]
		return c != nil && len(c.History) > len(own.History) && slices.Equal(c.History[:len(own.History)], own.History) &&
			len(c.RootFS.DiffIDs) >= len(own.RootFS.DiffIDs) && slices.Equal(c.RootFS.DiffIDs[:len(own.RootFS.DiffIDs)], own.RootFS.DiffIDs)
	})
}

func printImages(list []shownImage, quiet, whole, digests bool) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	head := "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\n"
	if digests {
		head = "REPOSITORY\tTAG\tDIGEST\tIMAGE ID\tCREATED\tSIZE\n"
	}
	if !quiet {
		_, _ = fmt.Fprint(w, head) // the end tells
	}
	for _, i := range list {
		printImage(w, i, quiet, whole, digests)
	}
	return w.Flush()
}

func printImage(w io.Writer, i shownImage, quiet, whole, digests bool) {
	id := i.ID[:12]
	if whole {
		id = "sha256:" + i.ID
	}
	if quiet {
		_, _ = fmt.Fprintln(w, id)
		return
	}
	names := i.Names
	if len(names) == 0 {
		names = []string{"<none>:<none>"}
	}
	for _, name := range names {
		at := strings.LastIndex(name, ":")
		repo, tag := printable.Text(name[:max(at, 0)]), printable.Text(name[at+1:])
		if digests {
			tag += "\t" + i.Digest
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", repo, tag, id, ago(i.Created), decimal(i.Size))
	}
}

// ago is a time as podman tells it.
func ago(t time.Time) string {
	d := time.Since(t)
	for _, u := range []struct {
		unit string
		long time.Duration
	}{{"year", 365 * 24 * time.Hour}, {"month", 30 * 24 * time.Hour}, {"week", 7 * 24 * time.Hour}, {"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}} {
		if n := int(d / u.long); n >= 2 || n == 1 && u.unit != "week" && u.unit != "month" {
			s := ""
			if n > 1 {
				s = "s"
			}
			return fmt.Sprintf("%d %s%s ago", n, u.unit, s)
		}
	}
	return "Less than a second ago"
}

// decimal is a size as podman's tables have it, three digits.
func decimal(n int64) string {
	value, unit := float64(n), 0
	for value >= 1000 && unit < 5 {
		value /= 1000
		unit++
	}
	return fmt.Sprintf("%.3g %s", value, [...]string{"B", "kB", "MB", "GB", "TB", "PB"}[unit])
}
