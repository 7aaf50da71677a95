package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sandbox/pkg/lifecycle"
)

// usage is one line of stats, with podman's names.
type usage struct {
	ID      string  `json:"id"`
	CPU     float64 `json:"cpu_percent"` // of one processor, since the last look; since its start at the first
	Memory  uint64  `json:"mem_usage"`   // bytes
	Limit   uint64  `json:"mem_limit"`   // bytes; the host's memory where there is none
	Share   float64 `json:"mem_percent"`
	Read    uint64  `json:"block_input"`  // bytes
	Written uint64  `json:"block_output"` // bytes
	Pids    uint64  `json:"pids"`
	CPUTime uint64  `json:"cpu_time"` // ns
	at      time.Time
}

func (a *app) stats(cmd *cobra.Command) {
	var once bool
	var format string
	var interval int
	cmd.Long = `Show what containers use: those that are named, or all that run. At a terminal the
table is drawn again until Ctrl-C; in a pipe each look is a table of its own.`
	f := cmd.Flags()
	f.BoolVar(&once, "no-stream", false, "look once, and end")
	f.StringVarP(&format, "format", "f", "table", "table or json")
	f.IntVarP(&interval, "interval", "i", 2, "`SECONDS` between two looks")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if format != "table" && format != "json" || interval < 1 {
			return &usageError{errors.New("--format is table or json, --interval at least 1"), 1}
		}
		a.human = true
		r, err := a.runtime()
		if err != nil {
			return err
		}
		before := map[string]usage{}
		for {
			all, err := look(r, args, before)
			if err != nil {
				return err
			}
			if err := printUsage(all, format, !once); err != nil || once {
				return err
			}
			time.Sleep(time.Duration(interval) * time.Second)
		}
	}
}

// look reads each container. Of those that were not named, the ones without a
// cgroup of their own are left out, and one that ends meanwhile is no error.
func look(r *lifecycle.Runtime, ids []string, before map[string]usage) ([]usage, error) {
	states, err := r.List()
	if err != nil {
		return nil, err
	}
	created := map[string]time.Time{}
	named := len(ids) > 0
	for _, s := range states {
		created[s.ID], _ = time.Parse(time.RFC3339Nano, s.Created)
		if !named && s.Status != lifecycle.Stopped {
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
			continue
		}
		u := usage{
			ID: id, Memory: s.Memory.Usage.Usage, Limit: min(s.Memory.Usage.Limit, hostMemory()), Pids: s.Pids.Current,
			CPUTime: s.CPU.Usage.Total, at: time.Now(),
		}
		for _, e := range s.BlockIO.Bytes {
			switch e.Op {
			case "Read":
				u.Read += e.Value
			case "Write":
				u.Written += e.Value
			}
		}
		if u.Limit > 0 {
			u.Share = float64(u.Memory) / float64(u.Limit) * 100
		}
		from, used := created[id], u.CPUTime
		if b, seen := before[id]; seen {
			from, used = b.at, u.CPUTime-b.CPUTime
		}
		if age := u.at.Sub(from); age > 0 {
			u.CPU = float64(used) / float64(age) * 100
		}
		before[id] = u
		all = append(all, u)
	}
	return all, nil
}

func hostMemory() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return math.MaxUint64
	}
	return info.Totalram * uint64(info.Unit)
}

func printUsage(all []usage, format string, live bool) error {
	if format == "json" {
		if all == nil {
			all = []usage{}
		}
		return json.NewEncoder(os.Stdout).Encode(all)
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 1, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ID\tCPU %\tMEM USAGE / LIMIT\tMEM %\tBLOCK IO\tPIDS\tCPU TIME")
	for _, u := range all {
		_, _ = fmt.Fprintf(w, "%s\t%.2f%%\t%s / %s\t%.2f%%\t%s / %s\t%d\t%s\n", u.ID, u.CPU, size(u.Memory), size(u.Limit), u.Share,
			size(u.Read), size(u.Written), u.Pids, time.Duration(u.CPUTime).Round(time.Millisecond))
	}
	_ = w.Flush()
	out := text.String()
	if _, err := unix.IoctlGetTermios(1, unix.TCGETS); live && err == nil {
		out = "\x1b[H\x1b[2J" + out
	}
	_, err := os.Stdout.WriteString(out)
	return err
}
