package idmap

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRanges(t *testing.T) {
	std := []Range{{100000, 65536}}
	for name, tt := range map[string]struct {
		subuid, uidMap string
		want           []Range
		note           string
	}{
		"by name":               {"bob:1:2\nalice:100000:65536\n", wholeMap, std, ""},
		"by uid":                {"1000:100000:65536", wholeMap, std, ""},
		"name and uid the same": {"alice:100000:65536\n1000:100000:65536\n", wholeMap, std, ""},
		"several lines":         {"alice:300000:5\nbob:7:7\nalice:100000:65536\n1000:9:1\n", wholeMap, []Range{{300000, 5}, {100000, 65536}, {9, 1}}, ""},
		"CRLF, blanks, comment": {"# alice:1:1\r\n\r\n   \r\n  # x\r\nalice:100000:65536\r\n", wholeMap, std, ""},
		"no final newline":      {"alice:100000:65536", wholeMap, std, ""},
		"not 65536":             {"alice:100000:1\nalice:200000:1000000", wholeMap, []Range{{100000, 1}, {200000, 1000000}}, ""},
		"overlap at the end":    {"alice:100000:10\nalice:100005:10\n", wholeMap, []Range{{100000, 10}, {100010, 5}}, ""},
		"overlap in the middle": {"alice:100005:5\nalice:100000:20\n", wholeMap, []Range{{100005, 5}, {100000, 5}, {100010, 10}}, ""},
		"own uid inside":        {"alice:990:20\n", wholeMap, []Range{{990, 10}, {1001, 9}}, ""},
		"only the own uid":      {"alice:1000:1\n", wholeMap, nil, ""},
		"past the last id":      {"alice:4294967290:65536\n", wholeMap, []Range{{4294967290, 5}}, ""},
		"4294967295":            {"alice:4294967295:1\n", wholeMap, nil, "no ids in it"},
		"huge":                  {"alice:99999999999999999999999:65536\nalice:100000:65536\n", wholeMap, std, "is not a number from 0 to 4294967295"},
		"negative":              {"alice:-5:65536\nalice:100000:-1\nalice:100000:65536", wholeMap, std, `"-5" is not a number`},
		"count 0":               {"alice:100000:0\n", wholeMap, nil, "no ids in it"},
		"octal for shadow":      {"alice:0100000:65536\n", wholeMap, nil, "leading zero"},
		"hex, spaces, plus":     {"alice:0x10:1\nalice: 5:1\nalice:+5:1\nalice:5:1_0\nalice::\n", wholeMap, nil, "0x10"},
		"garbage":               {"\x00\xff\nalice\nalice:1\nalice:1:2:3\n:1:2\nalice:100000:65536\n", wholeMap, std, `"\x00\xff" is not owner:start:count`},
		"others' bad numbers":   {"bob:x:y\nalice:100000:65536\n", wholeMap, std, ""},
		"name is a prefix":      {"alice2:1:2\nalic:3:4\n", wholeMap, nil, ""},
		"nested":                {"alice:100000:65536\n", "0 1000 1\n1 100000 65536\n", nil, ""},
		"nested, partly":        {"alice:60000:65536\n", "0 1000 1\n1 100000 65536\n", []Range{{60000, 5537}}, ""},
		"nested, across":        {"alice:10:20\n", "0 1000 1\n1 100000 19\n20 5 100\n", []Range{{10, 20}}, ""},
		"nested with a hole":    {"alice:10:20\n", "0 1000 15\n20 100000 100\n", []Range{{10, 5}, {20, 10}}, ""},
		"no uid_map":            {"alice:100000:65536\n", "", std, "not known"},
		"broken uid_map":        {"alice:100000:65536\n", "0 0\n", std, "not understood"},
	} {
		t.Run(name, func(t *testing.T) {
			h := fakeHost(t, map[string]string{"etc/subuid": tt.subuid, "proc/self/uid_map": tt.uidMap})
			got, src, err := h.Ranges(UID, alice)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
			if notes := strings.Join(src.Notes, "\n"); !strings.Contains(notes, tt.note) || (tt.note == "") != (notes == "") {
				t.Errorf("notes %q, want %q", notes, tt.note)
			}
			if len(got) > 0 && src.Name != h.Etc+"/subuid" {
				t.Errorf("source is %q", src.Name)
			}
		})
	}
}

// A line that belongs to nobody must not belong to somebody without a name.
func TestRangesWithoutAName(t *testing.T) {
	h := fakeHost(t, map[string]string{"etc/subuid": ":5:5\n1000:100000:10\n"})
	got, _, err := h.Ranges(UID, Caller{UID: 1000, GID: 1000})
	if want := []Range{{100000, 10}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestRangesOfGroups(t *testing.T) {
	got, src, err := fakeHost(t, nil).Ranges(GID, alice)
	if want := []Range{{200000, 65536}}; err != nil || !reflect.DeepEqual(got, want) || !strings.HasSuffix(src.Name, "/subgid") {
		t.Errorf("got %v from %s, %v, want %v", got, src.Name, err, want)
	}
}

func TestRangesOfThousandsOfLines(t *testing.T) {
	var b strings.Builder
	for i := range 100000 {
		fmt.Fprintf(&b, "alice:%d:%d\n", 100000+i, 100000)
	}
	h := fakeHost(t, map[string]string{"etc/subuid": b.String()})
	got, src, err := h.Ranges(UID, alice)
	if err != nil || len(got) != maxRanges || len(src.Notes) != 1 {
		t.Errorf("got %d ranges, notes %q, %v", len(got), src.Notes, err)
	}
}

func TestFilesThatAreNone(t *testing.T) {
	h := fakeHost(t, map[string]string{"etc/subuid": "", "etc/subgid": ""})
	if err := syscall.Mkfifo(filepath.Join(h.Etc, "subuid"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(h.Etc, "subgid"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, k := range []Kind{UID, GID} {
		got, src, err := h.Ranges(k, alice)
		if len(got) != 0 || src.Name != "" || err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%v: %v from %q, %v", k, got, src.Name, err)
		}
	}
}

func TestFilesAreCapped(t *testing.T) {
	h := fakeHost(t, nil)
	path := filepath.Join(h.Etc, "subuid")
	if err := os.Truncate(path, 1<<40); err != nil { // sparse: NULs after the lines
		t.Fatal(err)
	}
	got, src, err := h.Ranges(UID, alice)
	if err != nil || len(got) != 1 || !strings.Contains(strings.Join(src.Notes, "\n"), "only the first 16777216 bytes") {
		t.Errorf("got %v, notes %q, %v", got, src.Notes, err)
	}
}

const getsubids = `#!/bin/sh
echo "$@" >> "${0%/*}/calls"
if [ "$1" = -g ]; then echo "0: alice 800000 10"; else
echo "0: alice 700000 10"; echo; echo "1: CORP\\al ice 900000 5"; echo "no such thing"; echo "2: alice x 5"; fi
`

func TestGetsubids(t *testing.T) {
	for name, tt := range map[string]struct {
		files      map[string]string
		want       []Range
		source     string
		calls      string
		wantedNote string
	}{
		"files gave nothing":     {map[string]string{"etc/subuid": ""}, []Range{{700000, 10}, {900000, 5}}, "getsubids", "alice\n", "no such thing"},
		"files gave something":   {nil, []Range{{100000, 65536}}, "subuid", "", ""},
		"only files are asked":   {map[string]string{"etc/subuid": "", "etc/nsswitch.conf": "subid: files\n"}, nil, "", "", ""},
		"files are not believed": {map[string]string{"etc/nsswitch.conf": "passwd: files\nsubid:\tsss\n"}, []Range{{700000, 10}, {900000, 5}}, "getsubids", "alice\n", "alice x 5"},
		"not there":              {map[string]string{"etc/subuid": "", "bin/getsubids": ""}, nil, "", "", ""},
		"fails": {map[string]string{"etc/subuid": "", "bin/getsubids": "#!/bin/sh\necho '0: alice 1 2'; exit 1\n"},
			nil, "", "", "exit status 1"},
		"fails, files are better than nothing": {map[string]string{"etc/nsswitch.conf": "subid: sss", "bin/getsubids": "#!/bin/sh\nexit 1\n"},
			[]Range{{100000, 65536}}, "subuid", "", "exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"bin/getsubids": getsubids}
			for k, v := range tt.files {
				files[k] = v
			}
			h := fakeHost(t, files)
			got, src, err := h.Ranges(UID, alice)
			if err != nil || !reflect.DeepEqual(got, tt.want) || filepath.Base("/"+src.Name) != filepath.Base("/"+tt.source) {
				t.Errorf("got %v from %q, %v, want %v from %q", got, src.Name, err, tt.want, tt.source)
			}
			if notes := strings.Join(src.Notes, "\n"); !strings.Contains(notes, tt.wantedNote) {
				t.Errorf("notes %q, want %q", notes, tt.wantedNote)
			}
			if calls, _ := os.ReadFile(filepath.Join(h.Dirs[0], "calls")); string(calls) != tt.calls {
				t.Errorf("called with %q, want %q", calls, tt.calls)
			}
		})
	}
}

func TestGetsubidsOfGroups(t *testing.T) {
	h := fakeHost(t, map[string]string{"etc/subgid": "", "bin/getsubids": getsubids})
	got, _, err := h.Ranges(GID, alice)
	if want := []Range{{800000, 10}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestGetsubidsThatHangs(t *testing.T) {
	h := fakeHost(t, map[string]string{"etc/subuid": "", "bin/getsubids": "#!/bin/sh\nexec sleep 100\n"})
	h.Patience = 50 * time.Millisecond
	got, src, err := h.Ranges(UID, alice)
	if len(got) != 0 || err != nil || !strings.Contains(strings.Join(src.Notes, "\n"), "no answer in 50ms") {
		t.Errorf("got %v, %v, notes %q", got, err, src.Notes)
	}
}

// A name that is an option is nobody's.
func TestGetsubidsTakesNoOptions(t *testing.T) {
	h := fakeHost(t, map[string]string{"etc/subuid": "", "bin/getsubids": getsubids})
	got, _, _ := h.Ranges(UID, Caller{UID: 5, Name: "-g"})
	if calls, err := os.ReadFile(filepath.Join(h.Dirs[0], "calls")); len(got) != 0 || err == nil {
		t.Errorf("got %v, called with %q", got, calls)
	}
}
