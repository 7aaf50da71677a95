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

	"github.com/spf13/cobra"

	"sandbox/pkg/image"
	"sandbox/pkg/lifecycle"
	"sandbox/pkg/state"
)

func (a *app) system(cmd *cobra.Command) {
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return &usageError{errors.New("system takes a command: df or prune"), 125}
	}
	df := &cobra.Command{Use: "df", Short: "Show what images, containers and volumes take", Args: cobra.NoArgs}
	format := formatFlag(df, "")
	df.RunE = func(*cobra.Command, []string) error { return a.df(string(*format)) }
	prune := &cobra.Command{Use: "prune [flags]", Short: "Remove ended containers and images that nothing uses", Args: cobra.NoArgs}
	all := prune.Flags().BoolP("all", "a", false, "also images with a name")
	force := prune.Flags().BoolP("force", "f", false, "ask nobody")
	volumes := prune.Flags().Bool("volumes", false, "also volumes that no container has")
	prune.RunE = func(*cobra.Command, []string) error { return a.prune(*all, *force, *volumes) }
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

func (a *app) df(format string) error {
	a.status = 125
	r, err := a.runtime()
	if err != nil {
		return err
	}
	store, err := a.imageStore(r)
	if err != nil {
		return err
	}
	containers, err := r.List()
	if err != nil {
		return err
	}
	lines, err := a.usage(r, store, containers)
	if err != nil {
		return err
	}
	if format == "json" {
		return printJSON(lines)
	}
	return printTaken(lines)
}

func printTaken(lines []used) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "TYPE\tTOTAL\tACTIVE\tSIZE\tRECLAIMABLE") // the end tells
	for _, u := range lines {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s (%d%%)\n", u.Type, u.Total, u.Active, decimal(u.Size), decimal(u.Reclaimable), 100*u.Reclaimable/max(u.Size, 1))
	}
	return w.Flush()
}

// usage counts images, containers and volumes. What the files of containers and volumes take, only who has all ids can see.
func (a *app) usage(r *lifecycle.Runtime, store *image.Store, containers []lifecycle.State) ([]used, error) {
	var out bytes.Buffer
	status, err := runImageProgram(r, &out, "usage")
	if err != nil || status != 0 {
		return nil, errors.Join(err, errors.New("what files take cannot be counted"))
	}
	var disk image.Usage
	if err = json.Unmarshal(out.Bytes(), &disk); err != nil {
		return nil, err
	}
	active := map[string]bool{}
	made := used{Type: "Containers"}
	for _, c := range containers {
		n, _ := r.LayerOf(c.ID) // one of a directory has none
		active[n.Image] = true
		made.add(disk.Layers[n.Name], c.Status != state.Stopped)
	}
	images, err := imageUsage(store, active)
	volumes := used{Type: "Local Volumes"}
	for name, size := range disk.Volumes {
		volumes.add(size, len(r.Mounting(store.VolumePath(name))) > 0)
	}
	return []used{images, made, volumes}, err
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

func (a *app) prune(all, force, volumes bool) error {
	a.status = 125
	r, err := a.runtime()
	if err != nil {
		return err
	}
	if !force && !confirmed(whatGoes(all, volumes)...) {
		return nil
	}
	if err := pruneContainers(r); err != nil {
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

func pruneContainers(r *lifecycle.Runtime) error {
	list, err := r.List()
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Status != state.Stopped {
			continue
		}
		if err := r.Delete(c.ID, false); err != nil {
			return err
		}
		fmt.Println(c.ID)
	}
	return nil
}
