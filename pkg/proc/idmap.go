package proc

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// IDs is one line of an id map: Count ids, from Inside on in the user namespace,
// that are those from Outside on in the reader's (user_namespaces(7)).
type IDs struct{ Inside, Outside, Count uint32 }

// IDMap is the content of /proc/PID/uid_map or gid_map.
type IDMap []IDs

// ParseIDMap reads one. What is no such file is an error of one short line.
func ParseIDMap(text string) (IDMap, error) {
	var m IDMap
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		var n [3]uint32
		for i := range n {
			if len(words) != len(n) {
				return nil, badLine(line)
			}
			v, err := strconv.ParseUint(words[i], 10, 32)
			if err != nil {
				return nil, badLine(line)
			}
			n[i] = uint32(v)
		}
		m = append(m, IDs{n[0], n[1], n[2]})
	}
	return m, nil
}

func badLine(line string) error {
	const most = 80
	if line = strings.TrimSpace(line); len(line) > most {
		line = line[:most] + "..."
	}
	return fmt.Errorf("reading id map: line %s not understood", strconv.QuoteToASCII(line))
}

// ReadIDMap reads the map of a file in /proc; nil where that cannot be read.
func ReadIDMap(path string) IDMap {
	b, err := ReadFile(path)
	if err != nil {
		return nil
	}
	m, _ := ParseIDMap(string(b))
	return m
}

// Outside is what an id of the user namespace is to the reader; !ok where it has none.
func (m IDMap) Outside(id uint32) (uint32, bool) {
	for _, line := range m {
		if id >= line.Inside && id-line.Inside < line.Count {
			return line.Outside + id - line.Inside, true
		}
	}
	return 0, false
}

// Initial says whether it is the one map that only the initial user namespace has.
// A nested one cannot hold 4294967295 ids, since its parent has no id left to give
// (-1 is never an id).
func (m IDMap) Initial() bool { return len(m) == 1 && m[0] == IDs{0, 0, math.MaxUint32} }

// Has says whether an id of the user namespace is mapped.
func (m IDMap) Has(id uint32) bool {
	for _, r := range m {
		if id >= r.Inside && uint64(id)-uint64(r.Inside) < uint64(r.Count) {
			return true
		}
	}
	return false
}
