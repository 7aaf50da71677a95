package idmap

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
)

// status is the part of /proc/self/status that decides about maps (proc(5)).
type status struct {
	noNewPrivs          bool
	effective, bounding uint64
}

// holds reports whether a capability is in the effective set, which is what
// writing a map without restrictions asks for (user_namespaces(7)).
func (s status) holds(capability uint) bool { return s.effective>>capability&1 == 1 }

// bounds reports whether a capability may be gained by executing a helper.
func (s status) bounds(capability uint) bool { return s.bounding>>capability&1 == 1 }

func (k Kind) capability() uint {
	if k == GID {
		return unix.CAP_SETGID
	}
	return unix.CAP_SETUID
}

// status reads our own. Without it nothing is known to stand in the way and no
// privilege is known to be there.
func (h Host) status() status {
	b, err := slurp(h.proc("self/status"))
	if err != nil {
		return status{bounding: ^uint64(0)}
	}
	return parseStatus(b)
}

func parseStatus(b []byte) status {
	s := status{bounding: ^uint64(0)}
	for line := range bytes.Lines(b) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch string(key) {
		case "NoNewPrivs":
			s.noNewPrivs = string(value) == "1"
		case "CapEff":
			s.effective, _ = strconv.ParseUint(string(value), 16, 64)
		case "CapBnd":
			if n, err := strconv.ParseUint(string(value), 16, 64); err == nil {
				s.bounding = n
			}
		}
	}
	return s
}

// MapOf reads the map of a process; pid 0 is the current one. For a process
// outside of any container that is one extent with every id, not the identity.
// The host ids are as seen from our namespace.
func (h Host) MapOf(pid int) (Map, error) {
	who := "self"
	if pid != 0 {
		who = strconv.Itoa(pid)
	}
	uids, err := h.extents(who, UID)
	if err != nil {
		return Map{}, err
	}
	gids, err := h.extents(who, GID)
	return Map{UIDs: uids, GIDs: gids}, err
}

func (h Host) extents(who string, k Kind) ([]Extent, error) {
	path := h.proc(who + "/" + k.mapFile())
	b, err := slurp(path)
	if err != nil {
		return nil, err
	}
	extents, err := ParseExtents(b)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return extents, nil
}

// ParseExtents reads the text of a uid_map or gid_map.
func ParseExtents(b []byte) ([]Extent, error) {
	m, err := proc.ParseIDMap(string(b))
	if err != nil {
		return nil, err
	}
	if len(m) > maxExtents {
		return nil, fmt.Errorf("more than %d extents", maxExtents)
	}
	var out []Extent
	for _, ids := range m {
		e := Extent{ids.Inside, ids.Outside, ids.Count}
		if err := e.valid(); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// number reads a decimal id or count and nothing else: shadow's own parser takes
// "0100" for octal, so a leading zero has two meanings and is refused.
func number(b []byte) (uint32, error) {
	if len(b) > 1 && b[0] == '0' {
		return 0, errors.New("a number with a leading zero")
	}
	n, err := strconv.ParseUint(string(b[:min(len(b), 20)]), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s is not a number from 0 to %d", quote(b), uint32(NoID))
	}
	return uint32(n), nil
}

// quote makes foreign bytes fit for a terminal and a log, and short.
func quote(b []byte) string {
	const most = 80
	b = bytes.TrimSpace(b)
	if len(b) > most {
		return strconv.QuoteToASCII(string(b[:most])) + "..."
	}
	return strconv.QuoteToASCII(string(b))
}
