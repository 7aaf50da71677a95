package idmap

import (
	"bytes"
	"reflect"
	"testing"
)

func FuzzParseSubid(f *testing.F) {
	for _, s := range []string{
		"", "alice:100000:65536\n", "1000:100000:65536\r\n# x\n\nalice:100010:5", "alice:4294967295:4294967295\nalice:0:4294967295\n",
		"alice:-1:99999999999999999999\n:::\n::\n:\nalice", "alice:990:20\nalice:1:1\nalice:1:2\nalice:1:3", "\x00\xff:1:1\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		src := Source{Name: "subuid"}
		checkRanges(t, parseSubid(b, alice, &src), src)
	})
}

func FuzzParseGetsubids(f *testing.F) {
	for _, s := range []string{
		"", "0: alice 100000 65536\n1: alice 300000 5\n", "0: CORP\\al ice 5 5", "0: x 4294967295 1\n: a 0 0\n", "0 alice 1 2\n\x00: \xff 1 1",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var src Source
		checkRanges(t, parseGetsubids(b, &src), src)
	})
}

// checkRanges: whatever is in a file, what comes of it is a map that the kernel
// takes.
func checkRanges(t *testing.T, ranges []Range, src Source) {
	for _, r := range ranges {
		if r.Count == 0 || r.end() > NoID {
			t.Fatalf("range %v", r)
		}
	}
	if len(ranges) > maxRanges || len(src.Notes) > maxNotes {
		t.Fatalf("%d ranges, %d notes", len(ranges), len(src.Notes))
	}
	for _, n := range src.Notes {
		if bytes.ContainsFunc([]byte(n), func(r rune) bool { return r < ' ' || r > '~' }) || len(n) > 1000 {
			t.Fatalf("note %q", n)
		}
	}
	c := Caller{UID: alice.UID, GID: alice.UID}
	clean := without(distinct(ranges), Range{c.UID, 1})
	for _, m := range []Map{Subordinate(c, clean, nil), KeepID(c.UID, 0, c, clean, clean[:len(clean)/2])} {
		if err := m.Validate(); err != nil {
			t.Fatalf("%v: %v", clean, err)
		}
		if _, ok := m.ContainerUID(c.UID); !ok {
			t.Fatalf("%v lost the caller", m)
		}
	}
}

func FuzzParseExtents(f *testing.F) {
	for _, s := range []string{
		"", wholeMap, "0 1000 1\n1 100000 65536\n", "0 0 0\n", "4294967295 0 1", "1 2\n", "1 2 3 4", "-1 0 1", "0x1 0 1", "0 0 4294967296", "\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		extents, err := ParseExtents(b)
		if err != nil {
			return
		}
		again, err := ParseExtents(text(extents))
		if err != nil || !reflect.DeepEqual(extents, again) {
			t.Fatalf("%v became %v, %v", extents, again, err)
		}
	})
}

func FuzzParseStatus(f *testing.F) {
	f.Add([]byte(statusOf("1", noCaps, allCaps)))
	f.Add([]byte("CapBnd:\nCapEff:\tzz\nNoNewPrivs"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s := parseStatus(b); !bytes.Contains(b, []byte("CapBnd")) && s.bounding != ^uint64(0) {
			t.Fatalf("bounding %x out of nothing", s.bounding)
		}
	})
}

func FuzzParseCapabilities(f *testing.F) {
	f.Add(vfsCap(2, 1<<7, 0))
	f.Add(vfsCap(3, 1<<7, 1000))
	f.Add([]byte{0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := parseCapabilities(b); got != 0 && len(b) != 12 && len(b) != 20 && len(b) != 24 {
			t.Fatalf("%x out of %d bytes", got, len(b))
		}
	})
}
