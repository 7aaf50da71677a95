package lifecycle

import (
	"testing"

	"sandbox/pkg/idmap"
	"sandbox/pkg/kernel"
)

// TestIDFindings: what is missing is told where it belongs, the first thing first.
func TestIDFindings(t *testing.T) {
	many := idmap.Map{UIDs: []idmap.Extent{{Container: 0, Host: 1000, Size: 1}, {Container: 1, Host: 100000, Size: 65536}}, GIDs: []idmap.Extent{{Container: 0, Host: 1000, Size: 1}}}
	one := idmap.Single(0, 0, idmap.Caller{UID: 1000, GID: 1000})
	for name, c := range map[string]struct {
		m             idmap.Map
		short         []idmap.Shortfall
		ids, programs kernel.State
		says          string
	}{
		"all is there": {many, nil, kernel.OK, kernel.OK, "uids 1000-1000, 100000-165535; gids 1000-1000"},
		"root":         {idmap.Map{}, nil, kernel.OK, kernel.OK, "all ids are yours, and a container without a user namespace has them"},
		"no range":     {one, []idmap.Shortfall{{Reason: idmap.NoRange, Evidence: "subuid"}}, kernel.Missing, kernel.OK, "subuid"},
		"no program":   {one, []idmap.Shortfall{{Reason: idmap.NoHelper, Evidence: "in none"}}, kernel.OK, kernel.Missing, "there are some, and they cannot be used"},
		"neither":      {one, []idmap.Shortfall{{Reason: idmap.NoRange, Evidence: "subuid"}, {Reason: idmap.NoNewPrivs, Evidence: "x"}, {Reason: idmap.Bounding, Evidence: "y"}}, kernel.Missing, kernel.Missing, "subuid"},
	} {
		r := &Runtime{looked: true}
		r.Maps.Helpers = &r.Helpers
		found := r.idFindings(c.m, c.short, nil)
		if len(found) != 2 || found[0].State != c.ids || found[1].State != c.programs || found[0].Detail != c.says {
			t.Errorf("%s: %+v", name, found)
		}
		for _, f := range found {
			if (f.Cause != nil) != (f.State == kernel.Missing) {
				t.Errorf("%s: %s is %s with cause %v", name, f.Feature, f.State, f.Cause)
			}
		}
	}
}
