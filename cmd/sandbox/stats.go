package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sandbox/pkg/lifecycle"
	"sandbox/pkg/state"
)

// usage is one line of stats, with podman's names. What nobody counts is nil: a
// controller that was not delegated, or a container without a cgroup of its own.
type usage struct {
	ID      string   `json:"id"`
	CPU     *float64 `json:"cpu_percent"` // of one processor, since the last look; since its start at the first
	Memory  *uint64  `json:"mem_usage"`   // bytes
	Limit   *uint64  `json:"mem_limit"`   // bytes; the host's memory where there is none
	Share   *float64 `json:"mem_percent"`
	Read    *uint64  `json:"block_input"`  // bytes
	Written *uint64  `json:"block_output"` // bytes
	Pids    *uint64  `json:"pids"`
	CPUTime *uint64  `json:"cpu_time"` // ns
	at      time.Time
}

func (a *app) stats(cmd *cobra.Command) {
	var once bool
	var interval int
	cmd.Long = `Show what containers use: those that are named, or all that run. At a terminal the
table is drawn again until Ctrl-C; in a pipe each look is a table of its own.`
	f := cmd.Flags()
	f.BoolVar(&once, "no-stream", false, "look once, and end")
	format := formatFlag(cmd, "f")
	f.IntVarP(&interval, "interval", "i", 2, "`SECONDS` between two looks")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if interval < 1 {
			return &usageError{errors.New("--interval: at least 1"), 1}
		}
		a.human = true
		r, err := a.runtime()
		if err != nil {
			return err
		}
		before := map[string]usage{}
		told := false
		tell := func(err error) {
			if !told {
				a.warn(err.Error())
			}
			told = true
		}
		for {
			all, err := look(r, args, before, tell)
			if err != nil {
				return err
			}
			if err := printUsage(all, *format, !once); err != nil || once {
				return err
			}
			time.Sleep(time.Duration(interval) * time.Second)
		}
	}
}

// look reads each container. Of those that were not named, one that cannot be read has a line without numbers, and one
// that ends meanwhile has none.
func look(r *lifecycle.Runtime, ids []string, before map[string]usage, told func(error)) ([]usage, error) {
	states, err := r.List()
	if err != nil {
		return nil, err
	}
	created := map[string]time.Time{}
	named := len(ids) > 0
	for _, s := range states {
		created[s.ID], _ = time.Parse(time.RFC3339Nano, s.Created)
		if !named && s.Status != state.Stopped {
			ids = append(ids, s.ID)
		}
	}
	var all []usage
	for _, id := range ids {
		s, err := r.Stats(id)
		if err != nil && named {
			return nil, err
		}
		if err != nil {
			if !errors.Is(err, lifecycle.ErrNotRunning) && !errors.Is(err, unix.ENOENT) {
				told(err)
				all = append(all, usage{ID: id})
			}
			continue
		}
		if why := r.WhyNoGroup(id); why != nil {
			told(fmt.Errorf("what its processes use is added up: %w", why))
		}
		u := measured(id, s)
		from, used := created[id], *u.CPUTime
		if b, seen := before[id]; seen && b.at.After(created[id]) { // not another one of this name
			from, used = b.at, used-*b.CPUTime
		}
		if age := u.at.Sub(from); age > 0 {
			u.CPU = new(float64(used) / float64(age) * 100)
		}
		before[id] = u
		all = append(all, u)
	}
	return all, nil
}

func measured(id string, s *lifecycle.Usage) usage {
	u := usage{ID: id, CPUTime: &s.CPU.Usage.Total, at: time.Now()}
	if s.Memory.Raw != nil || s.Memory.Usage.Usage > 0 {
		u.Memory, u.Limit = &s.Memory.Usage.Usage, new(min(s.Memory.Usage.Limit, hostMemory()))
		u.Share = new(float64(*u.Memory) / float64(max(1, *u.Limit)) * 100)
	}
	if s.Pids.Current > 0 { // there is one at least
		u.Pids = &s.Pids.Current
	}
	for _, e := range s.BlockIO.Bytes {
		if u.Read == nil {
			u.Read, u.Written = new(uint64), new(uint64)
		}
		switch e.Op {
		case "Read":
			*u.Read += e.Value
		case "Write":
			*u.Written += e.Value
		}
	}
	return u
}

// known is how a number is written that somebody has counted.
func known[T any](n *T, write func(T) string) string {
	if n == nil {
		return "--"
	}
	return write(*n)
}

func percent(f float64) string { return fmt.Sprintf("%.2f%%", f) }
func count(n uint64) string    { return strconv.FormatUint(n, 10) }
func span(ns uint64) string    { return time.Duration(ns).Round(time.Millisecond).String() }

func hostMemory() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return math.MaxUint64
	}
	return info.Totalram * uint64(info.Unit)
}

func printUsage(all []usage, format format, live bool) error {
	if format == "json" {
		if all == nil {
			all = []usage{}
		}
		return printLine(all)
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 1, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ID\tCPU %\tMEM USAGE / LIMIT\tMEM %\tBLOCK IO\tPIDS\tCPU TIME")
	for _, u := range all {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s / %s\t%s\t%s / %s\t%s\t%s\n", u.ID, known(u.CPU, percent), known(u.Memory, size), known(u.Limit, size),
			known(u.Share, percent), known(u.Read, size), known(u.Written, size), known(u.Pids, count), known(u.CPUTime, span))
	}
	_ = w.Flush()
	out := text.String()
	if _, err := unix.IoctlGetTermios(1, unix.TCGETS); live && err == nil {
		out = "\x1b[H\x1b[2J" + out
	}
	_, err := os.Stdout.WriteString(out)
	return err
}
