package kernel

import (
	"fmt"
	"strconv"
	"strings"

	"sandbox/pkg/proc"
)

func (h Host) idMap(name string) proc.IDMap { return proc.ReadIDMap(h.proc("self/" + name)) }

func badLine(file, line string) error {
	return fmt.Errorf("reading %s: line %s not understood", file, strconv.QuoteToASCII(clip(strings.TrimSpace(line))))
}

// clip keeps an error about a hostile line short.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
