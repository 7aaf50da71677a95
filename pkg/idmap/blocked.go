package idmap

import (
	"bytes"
	"fmt"
	"strconv"
)

// blocked lists what keeps these kinds of ranges from being written. Nothing does
// where we may write the map ourselves.
func (h Host) blocked(kinds []Kind, c Caller, st status) (lost shortfalls) {
	helped := false
	for _, k := range kinds {
		if st.holds(k.capability()) {
			continue
		}
		helped = true
		if _, missing := h.find(k); missing != nil {
			lost.add(*missing)
		}
		if st.noNewPrivs {
			lost.add(Shortfall{NoNewPrivs, "NoNewPrivs is 1 in " + h.proc("self/status")})
		}
		if !st.bounds(k.capability()) {
			lost.add(Shortfall{Bounding, fmt.Sprintf("CAP_%s is not in CapBnd of %s",
				k.pick("SETUID", "SETGID"), h.proc("self/status"))})
		}
	}
	if helped {
		lost.add(h.stranger(c)...)
	}
	return lost
}

// stranger finds the callers that newuidmap sends away before it looks at a
// range: those without a passwd entry, and those who changed their group with
// newgrp or sg, unless login.defs allows it (shadow's newuidmap.c).
func (h Host) stranger(c Caller) []Shortfall {
	if c.Name == "" {
		return []Shortfall{{NoName, fmt.Sprintf("uid %d has no passwd entry", c.UID)}}
	}
	gid, ok := h.passwdGID(c.Name)
	if !ok || gid == c.GID || h.auxiliaryGroups() {
		return nil
	}
	return []Shortfall{{OtherGroup, fmt.Sprintf("the group is %d, and %s has %d for %s",
		c.GID, h.etc("passwd"), gid, quote([]byte(c.Name)))}}
}

// passwdGID is not there for people of a directory service; then nothing is
// known, and newuidmap is asked.
func (h Host) passwdGID(name string) (uint32, bool) {
	b, err := slurp(h.etc("passwd"))
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(b) {
		fields := bytes.SplitN(line, []byte(":"), 5)
		if len(fields) == 5 && string(fields[0]) == name {
			gid, err := number(fields[3])
			return gid, err == nil
		}
	}
	return 0, false
}

func (h Host) auxiliaryGroups() bool {
	b, err := slurp(h.etc("login.defs"))
	if err != nil {
		return false
	}
	for line := range bytes.Lines(b) {
		words := bytes.Fields(line)
		if len(words) == 2 && string(words[0]) == "GRANT_AUX_GROUP_SUBIDS" {
			return bytes.EqualFold(words[1], []byte("yes"))
		}
	}
	return false
}

// Explain lists what keeps a given map, such as a bundle's linux.uidMappings,
// from being installed. It is for before Start or after it failed; an empty
// answer means that nothing is known to stand in the way.
func (h Host) Explain(m Map, c Caller) []Shortfall {
	st := h.status()
	var lost shortfalls
	for _, k := range []Kind{UID, GID} {
		if decide(k, m, c, st) == byHelper {
			lost.add(h.blocked([]Kind{k}, c, st)...)
			lost.add(h.foreign(k, m, c)...)
		}
		lost.add(h.outside(k, m)...)
	}
	return lost
}

// foreign finds host ids that newuidmap will not give to the caller.
func (h Host) foreign(k Kind, m Map, c Caller) []Shortfall {
	wanted := hostRanges(k.of(m))
	if len(wanted) > 0 {
		wanted = without(wanted, Range{k.own(c), 1})
	}
	ranges, src, err := h.Ranges(k, c)
	for _, r := range ranges {
		wanted = without(wanted, r)
	}
	switch {
	case len(wanted) == 0:
		return nil
	case len(ranges) == 0:
		return []Shortfall{h.missing(k, c, src, err)}
	}
	return []Shortfall{{OtherRange, fmt.Sprintf("%s gives %s to %s, the map has also %s",
		src.Name, list(ranges), c, list(wanted))}}
}

func (h Host) outside(k Kind, m Map) []Shortfall {
	namespace, err := h.extents("self", k)
	if err != nil {
		return nil
	}
	_, out := within(hostRanges(k.of(m)), namespace)
	if len(out) == 0 {
		return nil
	}
	return []Shortfall{{MapOutside, h.proc("self/"+k.mapFile()) + " has no " + k.String() + " " + list(out)}}
}

func hostRanges(extents []Extent) []Range {
	out := make([]Range, len(extents))
	for i, e := range extents {
		out[i] = Range{e.Host, e.Size}
	}
	return out
}

// argv is what newuidmap takes: its name, the pid, and three numbers an extent.
func argv(helper string, pid int, extents []Extent) []string {
	out := make([]string, 0, 2+3*len(extents))
	out = append(out, helper, strconv.Itoa(pid))
	for _, e := range extents {
		for _, n := range []uint32{e.Container, e.Host, e.Size} {
			out = append(out, strconv.FormatUint(uint64(n), 10))
		}
	}
	return out
}
