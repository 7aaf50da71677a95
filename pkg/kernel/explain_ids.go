package kernel

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
)

// idUnmapped: setuid(2), setgid(2) and chown(2) document EINVAL for an id that
// the user namespace does not map, and for nothing else that a valid call has.
func idUnmapped(s *sight) (Cause, bool) {
	if !s.is(unix.EINVAL) || !s.nested() {
		return Cause{}, false
	}
	evidence := s.unmapped("uid", s.op.UIDs, s.op.UIDMap)
	if evidence == nil {
		evidence = s.unmapped("gid", s.op.GIDs, s.op.GIDMap)
	}
	if evidence == nil {
		return Cause{}, false
	}
	if s.op.Path != "" {
		evidence = append(evidence, "for "+s.op.Path)
	}
	return fill(IDUnmapped, s.ranged(), evidence...), true
}

// unmapped is the evidence that one of some ids is not in a map; nil when all are.
func (s *sight) unmapped(kind string, ids []uint32, text string) []string {
	if text == "" {
		text = read(s.proc("self/" + kind + "_map"))
	}
	m, err := proc.ParseIDMap(text)
	if err != nil {
		return nil
	}
	for _, id := range ids {
		if !m.Has(id) {
			return []string{fmt.Sprintf("%s %d", kind, id), "the map is " + strings.Join(strings.Fields(text), " ")}
		}
	}
	return nil
}

func setgroupsDenied(s *sight) (Cause, bool) {
	denied := read(s.proc("self/setgroups")) == "deny"
	if !s.is(unix.EPERM) || !denied && !s.op.InUserns || s.appArmorRestricts() {
		return Cause{}, false
	}
	evidence := s.got("setgroups")
	if denied {
		evidence = "/proc/self/setgroups is deny"
	}
	return fill(SetgroupsDeny, s.ranged(), evidence), true
}

func devptsGid(s *sight) (Cause, bool) {
	for option := range strings.SplitSeq(s.op.Data, ",") {
		value, isGid := strings.CutPrefix(option, "gid=")
		if isGid && s.is(unix.EINVAL) && s.nested() && !s.mapHas(value) {
			return fill(DevptsGid, s.ranged(), option+" in the options of devpts"), true
		}
	}
	return Cause{}, false
}

// mapHas: is the id known to be mapped? Without a map it is not.
func (s *sight) mapHas(id string) bool {
	n, err := strconv.ParseUint(id, 10, 32)
	m, err2 := proc.ParseIDMap(s.op.GIDMap)
	return err == nil && err2 == nil && m.Has(uint32(n))
}

func mknodRefused(s *sight) (Cause, bool) {
	vars := []string{"PATH", shellWord(s.op.Path)}
	switch {
	case !s.is(unix.EPERM):
		return Cause{}, false
	case s.nested():
		return fill(MknodRefused, vars, "not in the host's user namespace", s.op.Path), true
	case s.self.Err == nil && !s.self.Has(unix.CAP_MKNOD):
		return fill(MknodRefused, vars, fmt.Sprintf("CapEff: %016x has no CAP_MKNOD", s.self.CapEff), s.op.Path), true
	}
	return Cause{}, false
}
