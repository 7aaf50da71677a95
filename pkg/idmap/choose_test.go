package idmap

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestParseWant(t *testing.T) {
	for in, want := range map[string]Want{
		"":                        {},
		"auto":                    {Mode: "auto"},
		"host":                    {Mode: "host"},
		"single":                  {Mode: "single"},
		"single:uid=5":            {Mode: "single", UID: 5},
		"keep-id":                 {Mode: "keep-id", UID: 1000, GID: 1001},
		"keep-id:uid=200,gid=210": {Mode: "keep-id", UID: 200, GID: 210},
		"keep-id:gid=0":           {Mode: "keep-id", UID: 1000, GID: 0},
	} {
		if got, err := ParseWant(in, alice); err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"nomap":                  "want auto, single, keep-id",
		"Auto":                   "want auto",
		"auto:size=5":            `"auto" takes no options`,
		"host:":                  "takes no options",
		"keep-id:":               `option ""`,
		"keep-id:size=5":         `option "size=5": want uid=N`,
		"keep-id:uid":            "is not a number",
		"keep-id:uid=-1":         "is not a number",
		"keep-id:uid=4294967295": "is not an id",
		"keep-id:uid=4294967296": "is not a number",
		"keep-id:uid=1,,gid=1":   `option ""`,
	} {
		if got, err := ParseWant(in, alice); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v, want %q", in, got, err, want)
		}
	}
}

func TestChoose(t *testing.T) {
	root := Caller{Name: "root"}
	full := map[string]string{"proc/self/status": statusOf("0", allCaps, allCaps)}
	both := func(m Map) string { return words(m.UIDs) + " / " + words(m.GIDs) }
	for name, tt := range map[string]struct {
		want   string // as typed
		caller Caller
		files  map[string]string
		maps   string
		lost   []Reason
	}{
		"auto":                {"auto", alice, nil, "0:1000:1 1:100000:65536 / 0:1001:1 1:200000:65536", nil},
		"nothing said":        {"", alice, nil, "0:1000:1 1:100000:65536 / 0:1001:1 1:200000:65536", nil},
		"keep-id":             {"keep-id:uid=2,gid=0", alice, nil, "0:100000:2 2:1000:1 3:100002:65534 / 0:1001:1 1:200000:65536", nil},
		"single":              {"single:uid=7", alice, nil, "7:1000:1 / 0:1001:1", nil},
		"host":                {"host", alice, nil, " / ", nil},
		"no subuid":           {"auto", alice, map[string]string{"etc/subuid": ""}, "0:1000:1 / 0:1001:1", []Reason{NoRange}},
		"no ranges, keep-id":  {"keep-id", alice, map[string]string{"etc/subuid": "", "etc/subgid": ""}, "1000:1000:1 / 1001:1001:1", []Reason{NoRange}},
		"no ranges, keep 200": {"keep-id:uid=200", alice, map[string]string{"etc/subgid": ""}, "200:1000:1 / 1001:1001:1", []Reason{NoRange}},
		"no helper":           {"auto", alice, map[string]string{"bin/newgidmap": ""}, "0:1000:1 / 0:1001:1", []Reason{NoHelper}},
		"nothing at all": {"auto", alice, map[string]string{
			"etc/subuid": "", "etc/subgid": "", "bin/newuidmap": "", "bin/newgidmap": "", "proc/self/status": statusOf("1", noCaps, noCaps)},
			"0:1000:1 / 0:1001:1", []Reason{NoRange, NoHelper, NoNewPrivs, Bounding}},
		"no new privs":     {"auto", alice, map[string]string{"proc/self/status": statusOf("1", noCaps, allCaps)}, "0:1000:1 / 0:1001:1", []Reason{NoNewPrivs}},
		"bounding":         {"auto", alice, map[string]string{"proc/self/status": statusOf("0", noCaps, "000001ffffffff7f")}, "0:1000:1 / 0:1001:1", []Reason{Bounding}},
		"outside":          {"auto", alice, map[string]string{"proc/self/uid_map": "0 5000 65536\n"}, "0:1000:1 / 0:1001:1", []Reason{OutsideNamespace}},
		"partly outside":   {"auto", alice, map[string]string{"proc/self/uid_map": "0 5000 100007\n"}, "0:1000:1 1:100000:7 / 0:1001:1 1:200000:65536", nil},
		"no name":          {"auto", Caller{UID: 1000, GID: 1001}, map[string]string{"etc/subuid": "1000:5:5\n", "etc/subgid": "1000:5:5\n"}, "0:1000:1 / 0:1001:1", []Reason{NoName}},
		"newgrp":           {"auto", Caller{UID: 1000, GID: 27, Name: "alice"}, nil, "0:1000:1 / 0:27:1", []Reason{OtherGroup}},
		"newgrp allowed":   {"auto", Caller{UID: 1000, GID: 27, Name: "alice"}, map[string]string{"etc/login.defs": "# x\nGRANT_AUX_GROUP_SUBIDS yes\n"}, "0:1000:1 1:100000:65536 / 0:27:1 1:200000:65536", nil},
		"not in passwd":    {"auto", alice, map[string]string{"etc/passwd": ""}, "0:1000:1 1:100000:65536 / 0:1001:1 1:200000:65536", nil},
		"capable, no tool": {"auto", alice, map[string]string{"proc/self/status": statusOf("1", allCaps, noCaps), "bin/newuidmap": "", "bin/newgidmap": ""}, "0:1000:1 1:100000:65536 / 0:1001:1 1:200000:65536", nil},
		"capable of half":  {"auto", alice, map[string]string{"proc/self/status": statusOf("0", "0000000000000080", allCaps), "bin/newuidmap": ""}, "0:1000:1 1:100000:65536 / 0:1001:1 1:200000:65536", nil},
		"no status":        {"auto", alice, map[string]string{"proc/self/status": ""}, "0:1000:1 1:100000:65536 / 0:1001:1 1:200000:65536", nil},

		"root":                      {"auto", root, full, " / ", nil},
		"root, single":              {"single", root, full, "0:0:1 / 0:0:1", nil},
		"root of a usual container": {"auto", root, map[string]string{"proc/self/status": statusOf("0", dockerCaps, dockerCaps)}, "0:0:4294967295 / 0:0:4294967295", nil},
		"root of a nested container": {"auto", root, map[string]string{"proc/self/status": statusOf("0", dockerCaps, dockerCaps),
			"proc/self/uid_map": "0 1000 1\n1 100000 65536\n"}, "0:0:1 1:1:65536 / 0:0:4294967295", nil},
		"root with nothing": {"auto", root, map[string]string{"proc/self/status": statusOf("0", noCaps, noCaps), "etc/subgid": "root:5:5\n"},
			"0:0:1 / 0:0:1", []Reason{Bounding, NoSetFCap}},
		"root with a range, keep-id": {"keep-id:uid=3", root, map[string]string{"proc/self/status": statusOf("0", allCaps, allCaps), "etc/subgid": "root:5:5\n"},
			"0:500000:3 3:0:1 4:500003:65533 / 0:0:1 1:5:5", nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := fakeHost(t, tt.files)
			w, err := ParseWant(tt.want, tt.caller)
			if err != nil {
				t.Fatal(err)
			}
			m, lost, err := h.Choose(w, tt.caller)
			if err != nil || both(m) != tt.maps {
				t.Errorf("got %s, %v, want %s", both(m), err, tt.maps)
			}
			if got := reasons(lost); !reflect.DeepEqual(got, tt.lost) {
				t.Errorf("lost %v, want %v", lost, tt.lost)
			}
			for _, l := range lost {
				if l.Evidence == "" {
					t.Errorf("%s has no evidence", l.Reason)
				}
			}
		})
	}
}

func reasons(lost []Shortfall) []Reason {
	var out []Reason
	for _, l := range lost {
		out = append(out, l.Reason)
	}
	return out
}

func TestChooseRefuses(t *testing.T) {
	h := fakeHost(t, map[string]string{"proc/self/status": statusOf("0", allCaps, allCaps)})
	for name, tt := range map[string]struct {
		w    Want
		c    Caller
		want string
	}{
		"unknown mode":   {Want{Mode: "nomap"}, alice, `user namespace mode "nomap": want auto`},
		"not an id":      {Want{Mode: "single", UID: NoID}, alice, "container ids go past"},
		"caller is none": {Want{Mode: "single"}, Caller{UID: NoID}, "host ids go past"},
		"keep-id, root":  {Want{Mode: "keep-id"}, Caller{Name: "root"}, "root has no subordinate ids"},
	} {
		if m, _, err := h.Choose(tt.w, tt.c); err == nil || !strings.Contains(err.Error(), tt.want) || !m.IsIdentity() {
			t.Errorf("%s: got %v, %v, want %q", name, m, err, tt.want)
		}
	}
}

func TestEvidenceNamesTheFact(t *testing.T) {
	h := fakeHost(t, map[string]string{
		"etc/subuid": "alice:-1:5\n", "etc/subgid": "", "proc/self/status": statusOf("1", noCaps, noCaps), "bin/newuidmap": "", "bin/newgidmap": "",
	})
	_, lost, err := h.Choose(Want{}, alice)
	if err != nil {
		t.Fatal(err)
	}
	for reason, want := range map[Reason][]string{
		NoRange:    {h.Etc + `/subuid has no range for "alice" (uid 1000)`, `subuid:1: "alice:-1:5"`, h.Etc + "/subgid has no range"},
		NoHelper:   {"newuidmap is in none of " + h.Dirs[0], "; newgidmap is in none of "},
		NoNewPrivs: {"NoNewPrivs is 1 in " + h.Proc + "/self/status"},
		Bounding:   {"CAP_SETUID is not in CapBnd", "CAP_SETGID is not in CapBnd"},
	} {
		for _, w := range want {
			if got := evidence(lost, reason); !strings.Contains(got, w) {
				t.Errorf("%s: %q lacks %q", reason, got, w)
			}
		}
	}
}

func evidence(lost []Shortfall, r Reason) string {
	for _, l := range lost {
		if l.Reason == r {
			return l.Evidence
		}
	}
	return ""
}

// single and host must not depend on anything that could be broken.
func TestSingleAsksNobody(t *testing.T) {
	h := Host{Etc: "/does/not/exist", Proc: "/does/not/exist", Dirs: []string{"/does/not/exist"}}
	for _, mode := range []string{"single", "host"} {
		if _, lost, err := h.Choose(Want{Mode: mode}, alice); err != nil || len(lost) > 0 {
			t.Errorf("%s: %v, %v", mode, lost, err)
		}
	}
}

func TestExplain(t *testing.T) {
	std := Map{[]Extent{{0, 1000, 1}, {1, 100000, 65536}}, []Extent{{0, 1001, 1}, {1, 200000, 65536}}}
	for name, tt := range map[string]struct {
		m     Map
		files map[string]string
		want  []Reason
		why   string
	}{
		"fine":                {std, nil, nil, ""},
		"identity":            {Map{}, map[string]string{"etc/subuid": "", "bin/newuidmap": ""}, nil, ""},
		"single, no tools":    {Single(0, 0, alice), map[string]string{"etc/subuid": "", "bin/newuidmap": ""}, nil, ""},
		"no tool":             {std, map[string]string{"bin/newuidmap": ""}, []Reason{NoHelper}, "newuidmap"},
		"somebody's ids":      {Map{[]Extent{{0, 100000, 65537}}, std.GIDs}, nil, []Reason{OtherRange}, "the map has also 165536-165536"},
		"no range":            {std, map[string]string{"etc/subuid": ""}, []Reason{NoRange}, "subuid has no range"},
		"capable, no range":   {std, map[string]string{"etc/subuid": "", "proc/self/status": statusOf("0", allCaps, allCaps)}, nil, ""},
		"outside, capable":    {std, map[string]string{"proc/self/gid_map": "0 0 65536\n", "proc/self/status": statusOf("0", allCaps, allCaps)}, []Reason{MapOutside}, "200000-265535"},
		"own id is not there": {Single(0, 0, alice), map[string]string{"proc/self/uid_map": "0 0 1\n"}, []Reason{MapOutside}, "uid 1000-1000"},
	} {
		t.Run(name, func(t *testing.T) {
			lost := fakeHost(t, tt.files).Explain(tt.m, alice)
			if got := reasons(lost); !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("got %v, want %v", lost, tt.want)
			}
			if len(lost) > 0 && !strings.Contains(lost[0].Evidence, tt.why) {
				t.Errorf("got %v, want %q", lost, tt.why)
			}
		})
	}
}

func TestFree(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		want  string // "" is none
	}{
		"after the others":    {nil, "265536-331071"},
		"nobody":              {map[string]string{"etc/subuid": "", "etc/subgid": ""}, "100000-165535"},
		"between":             {map[string]string{"etc/subuid": "x:100000:10\nx:400000:65536\n", "etc/subgid": ""}, "100010-165545"},
		"gap too small":       {map[string]string{"etc/subuid": "x:100000:10\n", "etc/subgid": "y:165545:1\n"}, "165546-231081"},
		"a real user's id":    {map[string]string{"etc/subuid": "", "etc/subgid": "", "etc/passwd": "ldap:x:120000:5:::\n"}, "120001-185536"},
		"a real group's id":   {map[string]string{"etc/subuid": "", "etc/subgid": "", "etc/group": "big:x:165535:\n"}, "165536-231071"},
		"nested":              {map[string]string{"etc/subuid": "", "etc/subgid": "", "proc/self/gid_map": "0 0 1\n200000 7 70000\n"}, "200000-265535"},
		"nested, no room":     {map[string]string{"proc/self/uid_map": "0 1000 65536\n"}, ""},
		"everything is taken": {map[string]string{"etc/subuid": "x:0:4294967295\n"}, ""},
		"garbage":             {map[string]string{"etc/subuid": "x:y:z\n:::::\n\x00", "etc/subgid": "", "etc/passwd": "::::\n"}, "100000-165535"},
	} {
		t.Run(name, func(t *testing.T) {
			r, ok := fakeHost(t, tt.files).Free(65536)
			if ok != (tt.want != "") || ok && r.String() != tt.want {
				t.Errorf("got %v, %v, want %q", r, ok, tt.want)
			}
		})
	}
	h := fakeHost(t, map[string]string{"etc/subgid": ""})
	if err := os.Mkdir(filepath.Join(h.Etc, "subgid"), 0o700); err != nil {
		t.Fatal(err)
	}
	if r, ok := h.Free(1); ok {
		t.Errorf("%v is suggested, and nobody knows whose it is", r)
	}
}

func TestHolds(t *testing.T) {
	for files, want := range map[[2]string]bool{
		{"0 0 4294967295\n", "0 0 4294967295\n"}: true,
		{"0 9 65536\n", "0 9 65536\n"}:           true,
		{"0 9 65536\n", "0 9 65535\n"}:           false,
		{"1000 1000 1\n", "1000 1000 1\n"}:       false,
	} {
		h := fakeHost(t, map[string]string{"proc/self/uid_map": files[0], "proc/self/gid_map": files[1]})
		if got := h.Holds(Range{10000, 55536}); got != want {
			t.Errorf("%q: %t", files, got)
		}
	}
}

func TestUsermod(t *testing.T) {
	r := Range{100000, 65536}
	for name, want := range map[string]string{
		"alice":         "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 alice",
		`CORP\al ice`:   `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 'CORP\al ice'`,
		"a'; rm -rf /'": `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 'a'\''; rm -rf /'\'''`,
	} {
		if got := r.Usermod(name); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
