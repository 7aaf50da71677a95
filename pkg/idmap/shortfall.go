package idmap

import "strings"

// Reason is a stable word for one missing thing; programs may match on it.
type Reason string

// What can stand between a caller and a range of ids.
const (
	NoRange             Reason = "no-range"              // nothing in subuid, subgid or getsubids
	OtherRange          Reason = "other-range"           // subuid or subgid gives others than the map has
	OutsideNamespace    Reason = "outside-namespace"     // declared, but not in the current user namespace
	MapOutside          Reason = "map-outside"           // the map has ids that the current user namespace has not
	NoHelper            Reason = "no-helper"             // newuidmap or newgidmap is not installed
	HelperNotPrivileged Reason = "helper-not-privileged" // no copy is setuid root or has the file capability
	NoSUID              Reason = "nosuid"                // the privileged copy is on a nosuid mount
	NoNewPrivs          Reason = "no-new-privs"          // executing a helper gains nothing
	Bounding            Reason = "bounding"              // CAP_SETUID or CAP_SETGID cannot be gained
	NoName              Reason = "no-name"               // newuidmap wants a passwd entry
	OtherGroup          Reason = "other-group"           // newuidmap wants the passwd entry's group
	NoSetFCap           Reason = "no-setfcap"            // root may not map itself (Linux 5.12)
)

// Shortfall is one missing thing, found by looking and not by failing.
type Shortfall struct {
	Reason   Reason
	Evidence string // the fact, for people: which file, which bit
}

// String is for logs.
func (s Shortfall) String() string { return string(s.Reason) + ": " + s.Evidence }

// shortfalls keeps one entry a reason: that both helpers are missing is one
// thing to install.
type shortfalls []Shortfall

func (s *shortfalls) add(more ...Shortfall) {
next:
	for _, m := range more {
		for i, have := range *s {
			if have.Reason != m.Reason {
				continue
			}
			if !strings.Contains(have.Evidence, m.Evidence) {
				(*s)[i].Evidence += "; " + m.Evidence
			}
			continue next
		}
		*s = append(*s, m)
	}
}
