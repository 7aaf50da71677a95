package idmap

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// errRootKeepID is podman's refusal, which says "not allowed for containers
// created by the root user", with the way out.
var errRootKeepID = errors.New("root has no subordinate ids to put around its own: " +
	"use auto or host, or give root a range in subuid and subgid")

// Choose turns a wish into a map. What the wish is about but this host does not
// give is not an error: the map is then smaller, in the end one id, and each
// reason is a Shortfall. An error is a wish that makes no sense.
func (h Host) Choose(w Want, c Caller) (Map, []Shortfall, error) {
	m, lost, err := h.choose(w, c)
	if err == nil {
		err = m.Validate()
	}
	if err != nil {
		return Map{}, nil, fmt.Errorf("user namespace mode %q: %w", w.Mode, err)
	}
	return m, lost, nil
}

func (h Host) choose(w Want, c Caller) (Map, shortfalls, error) {
	switch w.Mode {
	case ModeHost:
		return Map{}, nil, nil
	case ModeSingle:
		return h.single(w, c, nil)
	case "", ModeAuto:
		return h.auto(c)
	case ModeKeepID:
		return h.keepID(w, c)
	}
	return Map{}, nil, errors.New("want auto, single, keep-id or host")
}

// auto needs no user namespace when the current one already gives everything,
// be it the initial one or a container's.
func (h Host) auto(c Caller) (Map, shortfalls, error) {
	st := h.status()
	if c.UID == 0 && st.mapsAll() {
		return h.forRoot(st), nil, nil
	}
	uids, gids, lost := h.available(c, st)
	if len(lost) > 0 {
		return h.single(Want{}, c, lost)
	}
	return Subordinate(c, uids, gids), nil, nil
}

func (h Host) keepID(w Want, c Caller) (Map, shortfalls, error) {
	st := h.status()
	uids, gids, lost := h.available(c, st)
	switch {
	case len(lost) > 0 && c.UID == 0 && st.mapsAll():
		return Map{}, nil, errRootKeepID
	case len(lost) > 0:
		return h.single(w, c, lost)
	}
	return KeepID(w.UID, w.GID, c, uids, gids), nil, nil
}

// single works for everyone but root with a capability dropped: since Linux 5.12
// (db2e718a4798) a map with the parent's uid 0 in it needs CAP_SETFCAP there.
func (h Host) single(w Want, c Caller, lost shortfalls) (Map, shortfalls, error) {
	if c.UID == 0 && !h.status().holds(unix.CAP_SETFCAP) {
		lost.add(Shortfall{NoSetFCap, "CAP_SETFCAP is not in CapEff of " + h.proc("self/status")})
	}
	return Single(w.UID, w.GID, c), lost, nil
}

func (s status) mapsAll() bool {
	return s.holds(unix.CAP_SETUID) && s.holds(unix.CAP_SETGID)
}

// forRoot is the identity, unless mounting is what root lacks: the usual root of
// a Docker or podman container has CAP_SETUID and not CAP_SYS_ADMIN. A namespace
// with the same ids gives it the rest.
func (h Host) forRoot(st status) Map {
	if st.holds(unix.CAP_SYS_ADMIN) || !st.holds(unix.CAP_SETFCAP) {
		return Map{}
	}
	namespace, err := h.MapOf(0)
	if err != nil {
		return Map{}
	}
	return everything(namespace)
}

// available gathers the ranges and what is missing to use them. Every check is
// made, so that a person does not fix one thing to hear of the next.
func (h Host) available(c Caller, st status) (uids, gids []Range, lost shortfalls) {
	uids, src, err := h.Ranges(UID, c)
	if len(uids) == 0 {
		lost.add(h.missing(UID, c, src, err))
	}
	gids, src, err = h.Ranges(GID, c)
	if len(gids) == 0 {
		lost.add(h.missing(GID, c, src, err))
	}
	lost.add(h.blocked([]Kind{UID, GID}, c, st)...)
	// Without a name no range helps, whatever else is missing.
	slices.SortStableFunc(lost, func(a, b Shortfall) int { return later(a) - later(b) })
	return uids, gids, lost
}

func later(s Shortfall) int {
	if s.Reason == NoName {
		return 0
	}
	return 1
}

// missing words why there is no range.
func (h Host) missing(k Kind, c Caller, src Source, err error) Shortfall {
	if len(src.Outside) > 0 {
		return Shortfall{OutsideNamespace, fmt.Sprintf("%s gives %s, and %s has none of these ids",
			src.Name, list(src.Outside), h.proc("self/"+k.mapFile()))}
	}
	evidence := []string{fmt.Sprintf("%s has no range for %s", h.etc(k.file()), c)}
	if err != nil {
		evidence = append(evidence, err.Error())
	}
	return Shortfall{NoRange, strings.Join(append(evidence, src.Notes...), "; ")}
}

// String names a caller as people do.
func (c Caller) String() string {
	if c.Name == "" {
		return fmt.Sprintf("uid %d", c.UID)
	}
	return fmt.Sprintf("%s (uid %d)", quote([]byte(c.Name)), c.UID)
}
