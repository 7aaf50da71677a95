package idmap

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// lowest is SUB_UID_MIN of login.defs(5), and highest keeps clear of the ids that
// do not fit into a signed int, which some file systems and programs mistake.
const (
	lowest  = 100000
	highest = 1<<31 - 1
)

// Free finds count ids that are nobody's: in subuid, subgid, passwd and group,
// and that exist in the current user namespace, both as users and as groups. It
// is a suggestion for a fix, not a reservation. False when there are none, or
// when a file is there and cannot be read.
func (h Host) Free(count uint32) (Range, bool) {
	taken, ok := h.taken()
	if !ok {
		return Range{}, false
	}
	slices.SortFunc(taken, func(a, b Range) int { return int(int64(a.Start) - int64(b.Start)) })
	start := uint64(lowest)
	for _, r := range taken {
		if start+uint64(count) <= uint64(r.Start) {
			break
		}
		start = max(start, r.end())
	}
	if count == 0 || start+uint64(count) > highest {
		return Range{}, false
	}
	return Range{uint32(start), count}, true
}

// Holds is whether the current user namespace has these ids, as users and as groups.
func (h Host) Holds(r Range) bool {
	for _, k := range []Kind{UID, GID} {
		namespace, err := h.extents("self", k)
		if err != nil {
			return false
		}
		if _, missing := within([]Range{r}, namespace); len(missing) > 0 {
			return false
		}
	}
	return true
}

func (h Host) taken() ([]Range, bool) {
	var taken []Range
	for _, name := range []string{"subuid", "subgid", "passwd", "group"} {
		b, err := slurp(h.etc(name))
		if err != nil && !isMissing(err) {
			return nil, false
		}
		for line := range bytes.Lines(b) {
			taken = appendRange(taken, claim(name, line))
		}
	}
	for _, k := range []Kind{UID, GID} {
		if namespace, err := h.extents("self", k); err == nil {
			_, missing := within([]Range{{0, NoID}}, namespace)
			taken = append(taken, missing...)
		}
	}
	return taken, true
}

// claim is the ids that one line speaks for; none when it cannot be read.
func claim(file string, line []byte) Range {
	fields := bytes.SplitN(bytes.TrimSpace(line), []byte(":"), 4)
	var r Range
	switch {
	case strings.HasPrefix(file, "sub") && len(fields) == 3:
		r, _ = toRange(fields[1], fields[2])
	case !strings.HasPrefix(file, "sub") && len(fields) == 4:
		r, _ = toRange(fields[2], []byte("1"))
	}
	return r
}

// Usermod is the line that gives the range to a user, as root, ready to paste.
// For somebody without a passwd entry there is none: newuidmap would refuse.
func (r Range) Usermod(name string) string {
	return strings.Join([]string{"usermod --add-subuids", r.String(), "--add-subgids", r.String(), shellWord(name)}, " ")
}

// shellWord quotes what a shell would not take as it is: a directory service has
// names such as CORP\alice.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return strings.ContainsRune("._-@", r) || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
		return strconv.Quote(s)
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
