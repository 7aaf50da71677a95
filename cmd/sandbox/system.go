package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sandbox/pkg/image"
	"sandbox/pkg/lifecycle"
	"sandbox/pkg/state"
)

func (a *app) system(cmd *cobra.Command) {
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return &usageError{errors.New("system takes a command: df or prune"), podmanFailed}
	}
	df := &cobra.Command{Use: "df", Short: "Show what images, containers and volumes take", Args: cobra.NoArgs}
	format := templateFlag(df, "")
	df.RunE = func(*cobra.Command, []string) error { return a.df(format) }
	prune := &cobra.Command{Use: "prune [flags]", Short: "Remove ended containers and images that nothing uses", Args: cobra.NoArgs}
	all := prune.Flags().BoolP("all", "a", false, "also images with a name")
	force := prune.Flags().BoolP("force", "f", false, "ask nobody")
	volumes := prune.Flags().Bool("volumes", false, "also volumes that no container has")
	filters := prune.Flags().StringArray("filter", nil, "only images of which `KEY=VALUE` holds: until or label")
	prune.RunE = func(*cobra.Command, []string) error { return a.prune(*all, *force, *volumes, *filters) }
	cmd.AddCommand(df, prune)
}

// used is what a kind of things takes, in bytes; active ones belong to a container.
type used struct {
	Type        string `json:"Type"`
	Total       int    `json:"Total"`
	Active      int    `json:"Active"`
	Size        int64  `json:"RawSize"`
	Reclaimable int64  `json:"RawReclaimable"`
}

// add counts one more.
func (u *used) add(size int64, active bool) {
	u.Total++
	u.Size += size
	if active {
		u.Active++
	} else {
		u.Reclaimable += size
	}
}

func (a *app) df(format *format) error {
	r, err := a.runtime()
	if err != nil {
		return err
	}
	lines, err := a.usage(r)
	if err != nil {
		return err
	}
	if *format == "json" {
		return printJSON(lines)
	}
	rows := takenRows(lines)
	if format.isTemplate() {
		return a.templated("df", format, rows)
	}
	return printTaken(rows)
}

func takenRows(lines []used) (rows []image.Used) {
	for _, u := range lines {
		rows = append(rows, image.Used{
			Type: u.Type, Total: u.Total, Active: u.Active, Size: decimal(u.Size), RawSize: u.Size, RawReclaimable: u.Reclaimable,
			Reclaimable: fmt.Sprintf("%s (%d%%)", decimal(u.Reclaimable), 100*u.Reclaimable/max(u.Size, 1)),
		})
	}
	return rows
}

func printTaken(rows []image.Used) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "TYPE\tTOTAL\tACTIVE\tSIZE\tRECLAIMABLE") // the end tells
	for _, u := range rows {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\n", u.Type, u.Total, u.Active, u.Size, u.Reclaimable)
	}
	return w.Flush()
}

// usage counts images, containers and volumes. What the files of containers and volumes take, only who has all ids can see.
func (a *app) usage(r *lifecycle.Runtime) ([]used, error) {
	store, err := a.imageStore(r)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	status, err := runImageProgram(r, &out, "usage")
	if err != nil || status != 0 {
		return nil, errors.Join(err, errors.New("what files take cannot be counted"))
	}
	var disk image.Usage
	if err = json.Unmarshal(out.Bytes(), &disk); err != nil {
		return nil, err
	}
	made, active, err := containerUsage(r, disk.Layers)
	if err != nil {
		return nil, err
	}
	images, err := imageUsage(store, active)
	volumes := used{Type: "Local Volumes"}
	for name, size := range disk.Volumes {
		volumes.add(size, len(r.Mounting(store.VolumePath(name))) > 0)
	}
	return []used{images, made, volumes}, err
}

// containerUsage counts what containers have changed, and what lost ones have left; active are the images of containers.
func containerUsage(r *lifecycle.Runtime, sizes map[string]int64) (made used, active map[string]bool, err error) {
	made, active = used{Type: "Containers"}, map[string]bool{}
	containers, err := r.List()
	if err != nil {
		return made, nil, err
	}
	for _, c := range containers {
		n, _ := r.LayerOf(c.ID) // one of a directory has none
		active[n.Image] = true
		made.add(sizes[n.Name], c.Status != state.Stopped)
	}
	lost, err := r.Abandoned()
	for _, name := range lost {
		made.add(sizes[name], false)
	}
	return made, active, err
}

// imageUsage counts a layer once, however many images have it.
func imageUsage(store *image.Store, active map[string]bool) (used, error) {
	u := used{Type: "Images"}
	list, err := store.Images()
	if err != nil {
		return u, err
	}
	sizes, err := store.Sizes()
	if err != nil {
		return u, err
	}
	kept, all := map[string]int64{}, map[string]int64{}
	for _, i := range list {
		u.Total++
		if active[i.ID] {
			u.Active++
		}
		for _, l := range sizes.Chain(i) {
			all[l.ID] = max(l.Size, 0)
			if active[i.ID] {
				kept[l.ID] = max(l.Size, 0)
			}
		}
	}
	for id, size := range all {
		u.Size += size
		if _, stays := kept[id]; !stays {
			u.Reclaimable += size
		}
	}
	return u, nil
}

func (a *app) prune(all, force, volumes bool, filters []string) error {
	r, err := a.runtime()
	if err != nil {
		return err
	}
	if volumes && len(filters) > 0 {
		return &usageError{errors.New("--filter says nothing of volumes: --volumes alone"), podmanFailed}
	}
	if !force && !confirmed(whatGoes(all, volumes)...) {
		return nil
	}
	if err := a.pruneEnded(r, filters); err != nil {
		return err
	}
	if volumes {
		if err := a.pruneVolumes(r); err != nil {
			return err
		}
	}
	args := []string{"prune"}
	if all {
		args = append(args, "--all")
	}
	for _, f := range filters {
		args = append(args, "--filter="+f)
	}
	a.exit, err = runImageProgram(r, os.Stdout, args...)
	return err
}

// whatGoes are the words for what a prune removes.
func whatGoes(all, volumes bool) []string {
	what := []string{"all ended containers"}
	if volumes {
		what = append(what, "all volumes that no container has")
	}
	if all {
		return append(what, "all images that no container is of")
	}
	return append(what, "all images without a name")
}

// confirmed asks at standard input.
func confirmed(what ...string) bool {
	fmt.Printf("This removes %s.\nAre you sure you want to continue? [y/N] ", strings.Join(what, ", "))
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	return slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer)))
}

// pruneEnded removes containers that have ended and are meant by filters, and what is left of lost ones. A container has no labels.
func (a *app) pruneEnded(r *lifecycle.Runtime, filters []string) error {
	until := time.Now()
	for _, f := range filters {
		key, value, _ := strings.Cut(f, "=")
		if key != "until" {
			return nil
		}
		var err error
		if until, err = image.Moment(value); err != nil {
			return fmt.Errorf("--filter %q: %w", f, err)
		}
	}
	if err := pruneContainers(r, until); err != nil || len(filters) > 0 {
		return err
	}
	return a.pruneLost(r)
}

func pruneContainers(r *lifecycle.Runtime, until time.Time) error {
	list, err := r.List()
	if err != nil {
		return err
	}
	for _, c := range list {
		created, err := time.Parse(time.RFC3339Nano, c.Created)
		if c.Status != state.Stopped || err == nil && created.After(until) {
			continue
		}
		if err := r.Delete(c.ID, false); err != nil {
			return err
		}
		fmt.Println(c.ID)
	}
	return nil
}

// pruneLost removes what is left of containers that were taken away with their state: by a boot, or the end of the last session.
func (a *app) pruneLost(r *lifecycle.Runtime) error {
	store, err := a.imageStore(r)
	if err != nil {
		return err
	}
	lost, err := r.Abandoned()
	for _, name := range lost {
		if err := r.DropLayer(lifecycle.LayerNote{Name: name}); err != nil {
			return err
		}
		fmt.Println(name)
	}
	return errors.Join(err, store.LetGoLost())
}
