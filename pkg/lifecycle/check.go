package lifecycle

import (
	"strings"

	"sandbox/pkg/helper"
	"sandbox/pkg/idmap"
	"sandbox/pkg/kernel"
)

// CheckIDs are the lines of a listing of this host about more ids than one: whether the caller was given some, and whether
// the programs that write a map of them can. h finds these.
func CheckIDs(h *helper.Finder) []kernel.Finding {
	r := &Runtime{}
	r.Self = r.Kernel.Self()
	r.Maps.Helpers = h
	r.Caller = idmap.Caller{UID: r.Self.EUID, GID: r.Self.EGID, Groups: r.Self.Groups}
	r.Name()
	m, short, err := r.Maps.Choose(idmap.Want{Mode: idmap.ModeAuto}, r.Caller)
	return r.idFindings(m, short, err)
}

// The two things that a range of ids takes.
const (
	ownIDs  = "subordinate ids"
	writers = "newuidmap, newgidmap"
)

func (r *Runtime) idFindings(m idmap.Map, short []idmap.Shortfall, err error) []kernel.Finding {
	ids, programs := kernel.Finding{Feature: ownIDs, State: kernel.OK}, kernel.Finding{Feature: writers, State: kernel.OK}
	if err != nil {
		ids.State, ids.Detail = kernel.Unknown, err.Error()
	}
	for _, s := range short {
		f := &programs
		if s.Reason == idmap.NoRange || s.Reason == idmap.OutsideNamespace {
			f = &ids
		}
		if f.State == kernel.OK { // the first is what to begin with
			cause := r.idCause(s)
			f.State, f.Detail, f.Cause = kernel.Missing, s.Evidence, &cause
		}
	}
	if ids.State == kernel.OK && ids.Detail == "" {
		ids.Detail = r.idWords(m, len(short) > 0)
	}
	if programs.State == kernel.OK {
		programs.Detail = r.writerWords(m)
	}
	return []kernel.Finding{ids, programs}
}

// idWords are the ids that a container gets, as ranges of this host.
func (r *Runtime) idWords(m idmap.Map, short bool) string {
	switch {
	case m.IsIdentity():
		return "all ids are yours, and a container without a user namespace has them"
	case short:
		return "there are some, and they cannot be used"
	}
	return "uids " + ranges(m.UIDs) + "; gids " + ranges(m.GIDs)
}

func ranges(list []idmap.Extent) string {
	words := make([]string, 0, len(list))
	for _, e := range list {
		words = append(words, idmap.Range{Start: e.Host, Count: e.Size}.String())
	}
	return strings.Join(words, ", ")
}

// writerWords are where the programs are. Whoever may write every map needs none.
func (r *Runtime) writerWords(m idmap.Map) string {
	p, err := r.Maps.Helpers.Find("newuidmap", nil)
	if m.IsIdentity() || err != nil {
		return "not needed: you may write the map yourself"
	}
	return p.Path + " can write your map"
}
