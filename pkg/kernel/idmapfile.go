package kernel

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// idRanges is the content of /proc/PID/uid_map, user_namespaces(7). It is not
// idmap's type: this one only answers what the kernel let somebody write.
type idRanges []idRange

type idRange struct{ inside, outside, count uint64 }

func (h Host) idMap(name string) idRanges {
	m, err := parseIDMap(read(h.proc("self/" + name)))
	if err != nil {
		return nil
	}
	return m
}

// initial: the one map that only the initial user namespace has. A nested one
// cannot hold 4294967295 ids, since its parent has no id left to give (-1 is
// never an id).
func (m idRanges) initial() bool {
	return len(m) == 1 && m[0] == idRange{0, 0, math.MaxUint32}
}

func (m idRanges) contains(id uint32) bool {
	for _, r := range m {
		if uint64(id) >= r.inside && uint64(id)-r.inside < r.count {
			return true
		}
	}
	return false
}

func parseIDMap(text string) (idRanges, error) {
	var m idRanges
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) != 3 {
			return nil, badLine("id map", line)
		}
		n, err := ids(words)
		if err != nil {
			return nil, badLine("id map", line)
		}
		m = append(m, idRange{uint64(n[0]), uint64(n[1]), uint64(n[2])})
	}
	return m, nil
}

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
