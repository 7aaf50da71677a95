package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func (r *result) String() string {
	switch {
	case r.Error != "":
		return fmt.Sprintf("%-28s ERROR: %s", r.Name, r.Error)
	case !r.Noticed && len(r.Skipped) > 0:
		return fmt.Sprintf("%-28s NOT NOTICED: %s (skipped: %v)", r.Name, r.Says, r.Skipped)
	case !r.Noticed:
		return fmt.Sprintf("%-28s NOT NOTICED: %s", r.Name, r.Says)
	}
	return fmt.Sprintf("%-28s noticed by %s: %s", r.Name, r.By, r.Line)
}

// progress prints a result as soon as it is there; JSON is printed at the end, and this beside it.
func progress(format string, r *result) {
	w := os.Stdout
	if format == "json" {
		w = os.Stderr
	}
	fmt.Fprintln(w, r)
}

// report prints the figure, or all results as JSON, and returns the exit status.
func report(w io.Writer, format string, results []*result) (int, error) {
	noticed, status := 0, 0
	for _, r := range results {
		switch {
		case r.Error != "":
			status = 2
		case r.Noticed:
			noticed++
		default:
			status = max(status, 1)
		}
	}
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "\t")
		return status, e.Encode(map[string]any{"mutants": results, "noticed": noticed, "total": len(results)})
	}
	_, err := fmt.Fprintf(w, "%d of %d mutants noticed\n", noticed, len(results))
	return status, err
}
