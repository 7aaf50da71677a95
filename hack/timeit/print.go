package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// result is one row's figures; all are of the group's unit.
type result struct {
	Program string  `json:"program"`
	Samples int     `json:"samples"`
	Median  float64 `json:"median"`
	Min     float64 `json:"min"`
	P90     float64 `json:"p90"`
	// Ratio is the base's median by this one's: below 1 the base is faster, or smaller.
	Ratio float64 `json:"ratio,omitempty"`
	Error string  `json:"error,omitempty"`
}

type groupResult struct {
	What    string   `json:"what"`
	Unit    string   `json:"unit"`
	Results []result `json:"results"`
}

func (g *group) results(base string) []result {
	var out []result
	reference := 0.0
	for _, r := range g.rows {
		res := r.result()
		if r.program == base {
			reference = res.Median
		}
		out = append(out, res)
	}
	for i := range out {
		if reference > 0 && out[i].Median > 0 && out[i].Program != base {
			out[i].Ratio = reference / out[i].Median
		}
	}
	return out
}

func (r *row) result() result {
	res := result{Program: r.program, Samples: len(r.samples)}
	if r.err != nil {
		res.Error = r.err.Error()
		return res
	}
	sorted := slices.Sorted(slices.Values(r.samples))
	if n := len(sorted); n > 0 {
		res.Min, res.P90 = sorted[0], sorted[(n*9)/10]
		res.Median = (sorted[(n-1)/2] + sorted[n/2]) / 2
	}
	return res
}

func (s *suite) printJSON(w io.Writer, base string) error {
	var out []groupResult
	for _, g := range s.groups {
		out = append(out, groupResult{What: g.what, Unit: g.unit, Results: g.results(base)})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

// printTable prints Markdown, for docs/design.md: the medians, then the base's ratio to those of ratios.
func (s *suite) printTable(w io.Writer, base string, ratios []string) {
	others := slices.DeleteFunc(slices.Clone(s.programs), func(p string) bool { return p == base })
	head := append([]string{"median", base}, others...)
	ratios = slices.DeleteFunc(slices.Clone(ratios), func(p string) bool { return !slices.Contains(others, p) })
	for _, p := range ratios {
		head = append(head, base+" / "+p)
	}
	lines := [][]string{head, slices.Repeat([]string{"---"}, len(head))}
	for _, g := range s.groups {
		lines = append(lines, g.cells(base, others, ratios))
	}
	width := make([]int, len(head))
	for _, line := range lines {
		for i, cell := range line {
			width[i] = max(width[i], len(cell))
		}
	}
	for _, line := range lines {
		for i := range line {
			line[i] += strings.Repeat(" ", width[i]-len(line[i]))
		}
		fmt.Fprintln(w, "| "+strings.Join(line, " | ")+" |")
	}
}

func (g *group) cells(base string, others, ratios []string) []string {
	byName := make(map[string]result)
	for _, res := range g.results(base) {
		byName[res.Program] = res
	}
	figure := func(name string, value func(result) float64) string {
		res, ok := byName[name]
		switch v := value(res); {
		case !ok:
			return ""
		case res.Error != "":
			return "failed"
		case v == 0:
			return ""
		case v >= 100:
			return fmt.Sprintf("%.0f", v)
		default:
			return fmt.Sprintf("%.2f", v)
		}
	}
	median := func(r result) float64 { return r.Median }
	cells := []string{g.what + ", " + g.unit, figure(base, median)}
	for _, p := range others {
		cells = append(cells, figure(p, median))
	}
	for _, p := range ratios {
		cells = append(cells, figure(p, func(r result) float64 { return r.Ratio }))
	}
	return cells
}
