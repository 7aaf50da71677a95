package kernel

import (
	"os/user"
	"strconv"
)

// Holds is the value of a word that only says for whom a fix is.
const Holds = "\x01"

// Fit is a cause with those of its fixes that are for this caller on this host. more are words of the fixes with their
// values (name, value, name, value...); what they say comes first.
func (h Host) Fit(c Cause, more ...string) Cause {
	return fill(c.Code, append(more, h.callerVars()...), c.Evidence...)
}

// callerVars are the words that depend on who asks. Root of the host has no manager of its own to ask, and no login name
// that usermod would change anything for.
func (h Host) callerVars() []string {
	self := h.Self()
	who := "IFUSER"
	if self.EUID == 0 && self.InitialUserns() {
		who = "IFROOT"
	}
	return append([]string{who, Holds, "UID", strconv.FormatUint(uint64(self.EUID), 10), "NAME", shellName(h.nameOf(self.EUID))}, h.exeVars()...)
}

// shellName is "" for nobody.
func shellName(name string) string {
	if name == "" {
		return ""
	}
	return shellWord(name)
}

// nameOf is a login name of /etc/passwd, "" for a uid that has none there: usermod changes nobody else.
func (h Host) nameOf(uid uint32) string {
	if h.Name != nil {
		return h.Name(uid)
	}
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return ""
	}
	return u.Username
}

// FitIDs is a cause about ids that are not mapped, for the container that op knows.
func (h Host) FitIDs(c Cause, op Op) Cause {
	return fill(c.Code, (&sight{Host: h, op: op}).ranged(), c.Evidence...)
}

// ranged are the words of fixes that give a container more ids: how to ask for them where it has not, and what they take
// where it has asked and the host gave none.
func (s *sight) ranged() []string {
	vars := []string{"RANGE", s.op.Range}
	if s.op.Short != nil {
		return append(vars, s.op.Short.vars()...)
	}
	return append(vars, "UIDS", "", "GIDS", "")
}
