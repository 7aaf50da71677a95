package idmap

import (
	"fmt"
	"strings"
)

// Range is Count host ids that begin at Start.
type Range struct{ Start, Count uint32 }

// String writes both ends as usermod(8) wants them: first-last.
func (r Range) String() string {
	return fmt.Sprintf("%d-%d", r.Start, r.end()-1)
}

// end is the first id after the range; 64 bits because it may be 2^32.
func (r Range) end() uint64 { return uint64(r.Start) + uint64(r.Count) }

// between is the range from first up to but not including end; empty when they
// are the wrong way round.
func between(first, end uint64) Range {
	if first >= end {
		return Range{}
	}
	return Range{uint32(first), uint32(end - first)}
}

// split cuts a range after its first n ids.
func (r Range) split(n uint32) (Range, Range) {
	n = min(n, r.Count)
	return Range{r.Start, n}, Range{r.Start + n, r.Count - n}
}

func (r Range) and(o Range) Range {
	return between(max(uint64(r.Start), uint64(o.Start)), min(r.end(), o.end()))
}

// without removes cut from every range and keeps the order of what is left.
func without(ranges []Range, cut Range) []Range {
	var out []Range
	for _, r := range ranges {
		hit := r.and(cut)
		if hit.Count == 0 {
			out = append(out, r)
			continue
		}
		out = appendRange(out, between(uint64(r.Start), uint64(hit.Start)))
		out = appendRange(out, between(hit.end(), r.end()))
	}
	return out
}

func appendRange(out []Range, r Range) []Range {
	if r.Count == 0 {
		return out
	}
	return append(out, r)
}

// distinct clips each range by the ones before it. Ranges that touch are not
// joined: newuidmap with a directory service's plug-in checks an extent against
// one range at a time.
func distinct(ranges []Range) []Range {
	var out []Range
	for _, r := range ranges {
		rest := []Range{r}
		for _, earlier := range out {
			rest = without(rest, earlier)
		}
		out = append(out, rest...)
	}
	return out
}

// within parts ranges into what exists in the namespace and what does not.
func within(ranges []Range, namespace []Extent) (in, out []Range) {
	out = ranges
	for _, e := range namespace {
		out = without(out, e.inside())
	}
	if len(out) == 0 {
		return ranges, nil
	}
	for _, r := range ranges {
		for _, e := range namespace {
			in = appendRange(in, r.and(e.inside()))
		}
	}
	return in, out
}

// inside is the ids that an extent of the current namespace makes exist in it.
func (e Extent) inside() Range { return Range{e.Container, e.Size} }

func list(ranges []Range) string {
	words := make([]string, len(ranges))
	for i, r := range ranges {
		words[i] = r.String()
	}
	return strings.Join(words, ", ")
}
