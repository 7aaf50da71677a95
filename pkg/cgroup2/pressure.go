package cgroup2

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// PSI is how much time tasks have lost to waiting (kernel,
// Documentation/accounting/psi.rst).
type PSI struct {
	Some PSIData `json:"some,omitempty"`
	Full PSIData `json:"full,omitempty"`
}

// PSIData are shares of the last 10, 60 and 300 seconds in percent, and the time
// in all in microseconds.
type PSIData struct {
	Avg10  float64 `json:"avg10"`
	Avg60  float64 `json:"avg60"`
	Avg300 float64 `json:"avg300"`
	Total  uint64  `json:"total"`
}

// pressure reads lines like "some avg10=0.00 avg60=0.00 avg300=0.00 total=0". A
// kernel without PSI, or with it off, gives nil.
func (g Group) pressure(name string) (*PSI, error) {
	text, err := g.text(name)
	if err != nil || text == "" {
		return nil, err
	}
	p := &PSI{}
	for line := range strings.Lines(text) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		d := map[string]*PSIData{"some": &p.Some, "full": &p.Full}[kind]
		if d == nil {
			continue
		}
		for f := range strings.FieldsSeq(rest) {
			key, value, _ := strings.Cut(f, "=")
			switch key {
			case "avg10":
				d.Avg10, err = share(name, value)
			case "avg60":
				d.Avg60, err = share(name, value)
			case "avg300":
				d.Avg300, err = share(name, value)
			case "total":
				d.Total, err = parse(name, value)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// share is a part in percent; NaN and infinity, which JSON has not, are refused.
func share(name, text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err == nil && !(f >= 0 && f <= math.MaxFloat64) {
		err = strconv.ErrRange
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %q: %w", name, text, err)
	}
	return f, nil
}
