package idmap

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// maxRanges is how many ranges of one caller are looked at: more than fit into a
// map help nobody, and clipping them by each other is quadratic.
const maxRanges = maxExtents

// maxNotes keeps a file full of garbage out of the report.
const maxNotes = 8

// Source says where ranges came from.
type Source struct {
	Name    string   // "/etc/subuid", "/etc/subgid", "getsubids"; "" when there are none
	Notes   []string // what was skipped and why, each for one line of a report
	Outside []Range  // declared, but not in the current user namespace
}

func (s *Source) note(format string, args ...any) {
	if len(s.Notes) < maxNotes {
		s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
	}
}

// Ranges returns the subordinate ids that a caller may use: those declared for
// the name or the uid, without overlaps, without the caller's own id, and only
// as far as they exist in the current user namespace. No ranges is not an error.
// An error means that a file is there and cannot be read, and nothing else had
// ranges.
func (h Host) Ranges(kind Kind, c Caller) ([]Range, Source, error) {
	var src Source
	ranges, err := h.declared(kind, c, &src)
	if len(ranges) == 0 {
		src.Name = ""
		return nil, src, err
	}
	ranges = without(distinct(ranges), Range{kind.own(c), 1})
	namespace, err := h.extents("self", kind)
	if err != nil {
		src.note("ids of the current user namespace are not known: %v", err)
		return ranges, src, nil
	}
	ranges, src.Outside = within(ranges, namespace)
	return ranges, src, nil
}

// declared asks the files first, because a process costs more than a file. With
// "subid: sss" or the like in nsswitch.conf newuidmap does not believe the
// files, so then the order is the other one (lib/nss.c of shadow).
func (h Host) declared(kind Kind, c Caller, src *Source) ([]Range, error) {
	module := h.subidModule()
	if module != "" && module != "files" {
		if ranges := h.asked(kind, c, src); len(ranges) > 0 {
			return ranges, nil
		}
		return h.filed(kind, c, src)
	}
	ranges, err := h.filed(kind, c, src)
	if len(ranges) > 0 || module == "files" {
		return ranges, err
	}
	if ranges = h.asked(kind, c, src); len(ranges) > 0 {
		return ranges, nil
	}
	return nil, err
}

// subidModule is the first word of the line "subid:" in nsswitch.conf; shadow
// looks at no more than that.
func (h Host) subidModule() string {
	b, err := slurp(h.etc("nsswitch.conf"))
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("subid:")); ok {
			if words := bytes.Fields(rest); len(words) > 0 {
				return string(words[0])
			}
		}
	}
	return ""
}

// filed reads /etc/subuid or /etc/subgid.
func (h Host) filed(kind Kind, c Caller, src *Source) ([]Range, error) {
	path := h.etc(kind.file())
	src.Name = path
	b, err := slurp(path)
	switch {
	case isMissing(err):
		return nil, nil
	case errors.Is(err, errTooLong):
		src.note("%v", err)
	case err != nil:
		return nil, err
	}
	return parseSubid(b, c, src), nil
}

// parseSubid picks the caller's lines "owner:start:count" (subuid(5)).
func parseSubid(b []byte, c Caller, src *Source) []Range {
	var out []Range
	uid := strconv.FormatUint(uint64(c.UID), 10)
	nr := 0
	for line := range bytes.Lines(b) {
		nr++
		owner, rest, ok := subidLine(line)
		if owner == nil {
			continue
		}
		if !ok {
			src.note("%s:%d: %s is not owner:start:count", src.Name, nr, quote(line))
			continue
		}
		if string(owner) != uid && (c.Name == "" || string(owner) != c.Name) {
			continue
		}
		r, err := parseRange(rest)
		if err != nil {
			src.note("%s:%d: %s: %v", src.Name, nr, quote(line), err)
			continue
		}
		if len(out) == maxRanges {
			src.note("%s:%d: only the first %d ranges are used", src.Name, nr, maxRanges)
			break
		}
		out = append(out, r)
	}
	return out
}

// subidLine parts a line at its first colon. The owner is nil for blank lines
// and comments; ok is false when it cannot be an entry.
func subidLine(line []byte) (owner, rest []byte, ok bool) {
	line = bytes.TrimSpace(line) // also a carriage return
	if len(line) == 0 || line[0] == '#' {
		return nil, nil, false
	}
	owner, rest, ok = bytes.Cut(line, []byte(":"))
	return owner, rest, ok && len(owner) > 0 && bytes.Count(rest, []byte(":")) == 1
}

func parseRange(b []byte) (Range, error) {
	start, count, _ := bytes.Cut(b, []byte(":"))
	return toRange(start, count)
}

// toRange clips at the last id instead of refusing: the part that exists can
// still be used.
func toRange(start, count []byte) (Range, error) {
	first, err := number(start)
	if err != nil {
		return Range{}, fmt.Errorf("start: %w", err)
	}
	n, err := number(count)
	if err != nil {
		return Range{}, fmt.Errorf("count: %w", err)
	}
	r := between(uint64(first), min(uint64(first)+uint64(n), NoID))
	if r.Count == 0 {
		return Range{}, errors.New("no ids in it")
	}
	return r, nil
}
