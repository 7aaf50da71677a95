package kernel

import (
	"strings"
	"testing"
)

func TestIDMapCause(t *testing.T) {
	ann := Who{Name: "ann", UID: 1000, SubUIDs: "165536-231071", SubGIDs: "231072-296607"}
	cases := []struct {
		reason string
		who    Who
		code   Code
		says   []string
	}{
		{"no-range", ann, IDMapNoRange, []string{"sudo usermod --add-subuids 165536-231071 --add-subgids 231072-296607 ann", "--userns=single"}},
		{"no-range", Who{UID: 1001}, IDMapNoRange, []string{"--userns=single"}},
		{"no-helper", ann, IDMapNoHelper, []string{"sudo apt install uidmap", "sudo dnf install shadow-utils"}},
		{"helper-not-privileged", ann, IDMapHelper, []string{"sudo setcap cap_setuid+ep", "chmod u+s"}},
		{"no-new-privs", ann, IDMapNoNew, []string{"allowPrivilegeEscalation: true", "no-new-privileges"}},
		{"bounding", ann, IDMapBounding, []string{"--cap-add SETUID --cap-add SETGID"}},
		{"nosuid", ann, IDMapNosuid, []string{"remount,bind,suid"}},
		{"outside-namespace", Who{Name: "ann"}, IDMapOutside, []string{"--add-subuids 10000-65535 --add-subgids 10000-65535 ann"}},
		{"map-outside", ann, IDMapOutside, []string{"map only ids that it has", "sandbox spec --rootless"}},
		{"outside-namespace", ann, IDMapOutside, []string{"--add-subuids 165536-231071"}},
		{"no-name", Who{UID: 1000680000, GID: 7}, IDMapNoName, []string{"user:x:1000680000:7::/:/bin/sh", "--userns=single"}},
		{"other-group", ann, IDMapGroup, []string{"leave newgrp"}},
		{"no-setfcap", Who{Name: "root"}, IDMapNoSetfcap, []string{"--cap-add SETFCAP"}},
		{"moon phase", ann, "moon phase", []string{"unlisted cause [moon phase]"}},
		{"no-range", Who{Name: "a; rm -rf /", UID: -5}, IDMapNoRange, []string{"'a; rm -rf /'", "524288-589823"}},
	}
	for _, c := range cases {
		got := IDMapCause(c.reason, "the evidence", c.who)
		if got.Code != c.code {
			t.Errorf("%s: got %s", c.reason, got)
		}
		assertQuiet(t, got.String())
		for _, s := range append(c.says, "the evidence") {
			if !strings.Contains(got.String(), s) {
				t.Errorf("%s: %q is not in %s", c.reason, s, got)
			}
		}
	}
}

// Two users are never told to take the same ids, and no range wraps.
func TestFreeRange(t *testing.T) {
	seen := map[string]int{}
	for uid := range 59000 {
		r := freeRange(uid)
		if other, dup := seen[r]; dup {
			t.Fatalf("uids %d and %d both get %s", uid, other, r)
		}
		seen[r] = uid
	}
	if r := freeRange(58999); !fits(r) {
		t.Errorf("%s does not fit 32 bits", r)
	}
	if r := freeRange(1 << 31); !fits(r) {
		t.Errorf("%s does not fit 32 bits", r)
	}
}

func fits(r string) bool {
	_, last, _ := strings.Cut(r, "-")
	_, err := ids([]string{last})
	return err == nil
}
