package main

import (
	"cmp"
	"errors"
	"fmt"
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
	own := map[string]func(*cobra.Command){"exists": a.imageExists, "ls": a.images, "list": a.images, "inspect": a.inspect, "history": a.history, "tree": a.imageTree, "diff": a.imageDiff}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
			return cmd.Help()
		}
		if len(args) == 0 || strings.HasPrefix(args[0], "-") {
			return &usageError{errors.New("image takes a command: ls, exists, inspect, history, tree, diff, pull, push, load, save, import, tag, untag, rm or prune"), podmanFailed}
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

// imageExists tells by its status alone, as podman does.
func (a *app) imageExists(cmd *cobra.Command) {
	cmd.Args = exactly(1)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		store, err := a.callersStore()
		if err != nil {
			return err
		}
		if _, err = store.Find(args[0]); errors.Is(err, image.ErrUnknown) {
			a.exit = 1
			return nil
		}
		return err
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
	ID      string            `json:"Id"`
	Names   []string          `json:"Names"`
	Digest  string            `json:"Digest"`
	Created time.Time         `json:"CreatedAt"`
	Unix    int64             `json:"Created"`
	Size    int64             `json:"Size"`
	Labels  map[string]string `json:"Labels"`
	Only    bool              `json:"ReadOnly"`
}

// imagesFlags are those of `images`.
type imagesFlags struct {
	quiet, whole, digests, all, noHeading bool
	filters                               []string
	sort                                  string
	format                                *format
}

func (f *imagesFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "ids only")
	cmd.Flags().BoolVar(&f.whole, "no-trunc", false, "whole ids")
	cmd.Flags().BoolVar(&f.digests, "digests", false, "digests too")
	cmd.Flags().BoolVarP(&f.all, "all", "a", false, "also images without a name that others are made of")
	cmd.Flags().BoolVarP(&f.noHeading, "noheading", "n", false, "no line over the columns")
	cmd.Flags().VarP(each(&f.filters), "filter", "f", "only images of which `KEY=VALUE` holds: dangling, reference, label, before, since, until, id, digest, readonly or intermediate")
	cmd.Flags().StringVar(&f.sort, "sort", "created", "`BY` created, id, repository, size or tag")
	f.format = templateFlag(cmd, "")
}

func (a *app) images(cmd *cobra.Command) {
	var f imagesFlags
	f.add(cmd)
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		list, err := a.listImages(args, &f)
		if err != nil {
			return err
		}
		if *f.format == "json" {
			return printJSON(list)
		}
		rows, err := rowsOf(list, f.whole, f.sort)
		switch {
		case err != nil:
			return err
		case f.format.isTemplate():
			return a.templated("images", f.format, rows)
		}
		return printImages(rows, &f)
	}
}

// listImages are the images of the store, the newest first.
func (a *app) listImages(args []string, f *imagesFlags) ([]shownImage, error) {
	store, err := a.callersStore()
	if err != nil {
		return nil, err
	}
	all, err := store.Images()
	if err != nil {
		return nil, err
	}
	sizes, err := store.Sizes()
	if err != nil {
		return nil, err
	}
	c, err := f.choose(image.NewChosen(store, all), args)
	if err != nil {
		return nil, err
	}
	list := []shownImage{}
	for _, i := range all {
		if c.Has(i) {
			list = append(list, shown(i, c.Configs[i.ID], sizes))
		}
	}
	slices.SortStableFunc(list, func(a, b shownImage) int { return b.Created.Compare(a.Created) })
	return list, nil
}

// choose adds what was typed.
func (f *imagesFlags) choose(c *image.Chosen, args []string) (*image.Chosen, error) {
	if len(args) > 0 {
		c.Want("reference", c.Reference(args[0]))
	} else if !f.all {
		c.Want("", func(i *image.Image) bool { return !c.Between(i) })
	}
	for _, filter := range f.filters {
		if err := c.Filter(filter); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// callersStore is the store of whoever has typed a command.
func (a *app) callersStore() (*image.Store, error) {
	r, err := a.runtime()
	if err != nil {
		return nil, err
	}
	return a.imageStore(r)
}

func shown(i *image.Image, c *image.Config, sizes *image.Sizes) shownImage {
	created, labels := i.Created, map[string]string(nil)
	if c != nil {
		labels = c.Config.Labels
	}
	if c != nil && !c.Created.IsZero() {
		created = c.Created
	}
	return shownImage{i.ID, i.Names, i.Digest, created, created.Unix(), sizes.Of(i), labels, i.ReadOnly}
}

// rowsOf are images as a table has them: one with several names has several lines.
func rowsOf(list []shownImage, whole bool, by string) (rows []image.Row, err error) {
	less, ok := map[string]func(a, b shownImage) int{
		"created": func(a, b shownImage) int { return b.Created.Compare(a.Created) },
		"id":      func(a, b shownImage) int { return strings.Compare(a.ID, b.ID) },
		"size":    func(a, b shownImage) int { return cmp.Compare(a.Size, b.Size) },
		// of each line, not of the image
		"repository": nil, "tag": nil,
	}[by]
	if !ok {
		return nil, &usageError{fmt.Errorf("--sort %q: want created, id, repository, size or tag", by), podmanFailed}
	}
	if less != nil {
		slices.SortStableFunc(list, less)
	}
	for _, i := range list {
		rows = append(rows, i.rows(whole)...)
	}
	switch by {
	case "repository":
		slices.SortStableFunc(rows, func(a, b image.Row) int { return strings.Compare(a.Repository, b.Repository) })
	case "tag":
		slices.SortStableFunc(rows, func(a, b image.Row) int { return strings.Compare(a.Tag, b.Tag) })
	}
	return rows, nil
}

// rows are the lines of one image.
func (i *shownImage) rows(whole bool) (rows []image.Row) {
	id := i.ID[:12]
	if whole {
		id = "sha256:" + i.ID
	}
	names := i.Names
	if len(names) == 0 {
		names = []string{"<none>:<none>"}
	}
	for _, name := range names {
		at := strings.LastIndex(name, ":")
		rows = append(rows, image.Row{
			ID: id, Repository: name[:max(at, 0)], Tag: name[at+1:], Digest: i.Digest,
			Created: ago(i.Created), CreatedSince: ago(i.Created), CreatedAt: i.Created.UTC().String(), CreatedTime: i.Created.UTC().String(),
			Size: decimal(i.Size), VirtualSize: decimal(i.Size), Names: i.Names, RepoTags: i.Names, Labels: i.Labels,
			ReadOnly: i.Only, Dangling: len(i.Names) == 0,
		})
	}
	return rows
}

func printImages(rows []image.Row, f *imagesFlags) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	head := "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\n"
	if f.digests {
		head = "REPOSITORY\tTAG\tDIGEST\tIMAGE ID\tCREATED\tSIZE\n"
	}
	if !f.quiet && !f.noHeading {
		_, _ = fmt.Fprint(w, head) // the end tells
	}
	last := ""
	for _, i := range rows {
		switch tag := printable.Text(i.Tag); {
		case f.quiet && i.ID == last: // by another name
		case f.quiet:
			_, _ = fmt.Fprintln(w, i.ID)
		case f.digests:
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", printable.Text(i.Repository), tag, i.Digest, i.ID, i.Created, i.Size)
		default:
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", printable.Text(i.Repository), tag, i.ID, i.Created, i.Size)
		}
		last = i.ID
	}
	return w.Flush()
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
