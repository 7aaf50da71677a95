package idmap

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

var alice = Caller{UID: 1000, GID: 1001, Name: "alice"}

func TestMaps(t *testing.T) {
	one := []Range{{100000, 65536}}
	two := []Range{{100000, 10}, {300000, 20}}
	for name, tt := range map[string]struct {
		got        Map
		uids, gids string
	}{
		"identity":                     {Map{}, "", ""},
		"single":                       {Single(0, 5, alice), "0:1000:1", "5:1001:1"},
		"subordinate":                  {Subordinate(alice, one, one), "0:1000:1 1:100000:65536", "0:1001:1 1:100000:65536"},
		"packed in order":              {Subordinate(alice, two, two[:1]), "0:1000:1 1:100000:10 11:300000:20", "0:1001:1 1:100000:10"},
		"no ranges":                    {Subordinate(alice, nil, nil), "0:1000:1", "0:1001:1"},
		"all ids there are":            {Subordinate(alice, []Range{{1, NoID - 1}}, nil), "0:1000:1 1:1:4294967294", "0:1001:1"},
		"more ids than there are":      {Subordinate(alice, []Range{{1, NoID}, {2, 7}}, nil), "0:1000:1 1:1:4294967294", "0:1001:1"},
		"keep-id":                      {KeepID(1000, 1001, alice, one, one), "0:100000:1000 1000:1000:1 1001:101000:64536", "0:100000:1001 1001:1001:1 1002:101001:64535"},
		"keep-id 0":                    {KeepID(0, 0, alice, one, one), "0:1000:1 1:100000:65536", "0:1001:1 1:100000:65536"},
		"keep-id in the second range":  {KeepID(15, 10, alice, two, two), "0:100000:10 10:300000:5 15:1000:1 16:300005:15", "0:100000:10 10:1001:1 11:300000:20"},
		"keep-id right after the last": {KeepID(30, 31, alice, two, two), "0:100000:10 10:300000:20 30:1000:1", "0:100000:10 10:300000:20 31:1001:1"},
		"keep-id far after the last":   {KeepID(70000, 4294967294, alice, one, one), "0:100000:65536 70000:1000:1", "0:100000:65536 4294967294:1001:1"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := words(tt.got.UIDs); got != tt.uids {
				t.Errorf("uids %s, want %s", got, tt.uids)
			}
			if got := words(tt.got.GIDs); got != tt.gids {
				t.Errorf("gids %s, want %s", got, tt.gids)
			}
		})
	}
}

func words(extents []Extent) string {
	var out []string
	for _, e := range extents {
		out = append(out, e.String())
	}
	return strings.Join(out, " ")
}

// Hundreds of ranges do not fit; the caller's own id always does.
func TestMapsFitTheKernel(t *testing.T) {
	var short, long []Range
	for i := range uint32(1000) {
		short = append(short, Range{2000 + 2*i, 1})
		long = append(long, Range{1<<31 + i<<17, 100000})
	}
	for name, m := range map[string]Map{
		"many":         Subordinate(alice, short, short),
		"long":         Subordinate(alice, long[:400], long[:400]),
		"keep-id far":  KeepID(5_000_000, 4_000_000_000, alice, short, short),
		"keep-id near": KeepID(7, 7, alice, long[:400], long[:400]),
	} {
		if err := m.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, ok := m.ContainerUID(alice.UID); !ok {
			t.Errorf("%s: the caller's uid is gone", name)
		}
		if n := len(m.UIDs); n < 100 {
			t.Errorf("%s: only %d extents are left", name, n)
		}
	}
}

func TestIdentityChangesNothing(t *testing.T) {
	var m Map
	for _, id := range []uint32{0, 1, 65534, 4294967294} {
		for name, f := range conversions(m) {
			if got, ok := f(id); got != id || !ok {
				t.Errorf("%s(%d) = %d, %v", name, id, got, ok)
			}
		}
	}
	if _, ok := m.HostUID(NoID); ok {
		t.Error("4294967295 is taken for an id")
	}
}

func conversions(m Map) map[string]func(uint32) (uint32, bool) {
	return map[string]func(uint32) (uint32, bool){
		"HostUID": m.HostUID, "HostGID": m.HostGID, "ContainerUID": m.ContainerUID, "ContainerGID": m.ContainerGID,
	}
}

// Whatever the ranges, a map is valid, has as many ids as its sizes say, and
// every conversion there comes back, both ways round.
func TestConversionIsABijection(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 500 {
		m := randomMap(rng)
		if err := m.Validate(); err != nil {
			t.Fatalf("map %d %v: %v", n, m, err)
		}
		for range 50 {
			id := probe(rng, m.UIDs)
			roundTrip(t, fmt.Sprint("uid ", m.UIDs), id, m.HostUID, m.ContainerUID)
			roundTrip(t, fmt.Sprint("uid back ", m.UIDs), id, m.ContainerUID, m.HostUID)
			id = probe(rng, m.GIDs)
			roundTrip(t, fmt.Sprint("gid ", m.GIDs), id, m.HostGID, m.ContainerGID)
			roundTrip(t, fmt.Sprint("gid back ", m.GIDs), id, m.ContainerGID, m.HostGID)
		}
	}
}

func randomMap(rng *rand.Rand) Map {
	ranges := func(own uint32) []Range {
		var rs []Range
		for range rng.IntN(6) {
			start := rng.Uint32N(NoID)
			rs = append(rs, between(uint64(start), min(uint64(start)+1+uint64(rng.Uint32N(1<<(1+rng.IntN(31)))), NoID)))
		}
		return without(distinct(rs), Range{own, 1})
	}
	c := Caller{UID: rng.Uint32N(NoID), GID: rng.Uint32N(NoID)}
	return KeepID(rng.Uint32N(1<<rng.IntN(32)), rng.Uint32N(NoID), c, ranges(c.UID), ranges(c.GID))
}

// probe prefers the edges of extents, where the mistakes are.
func probe(rng *rand.Rand, extents []Extent) uint32 {
	e := extents[rng.IntN(len(extents))]
	return []uint32{
		e.Container, e.Container + e.Size - 1, e.Container + e.Size, e.Container - 1,
		e.Host, e.Host + e.Size - 1, e.Host + e.Size, rng.Uint32(),
	}[rng.IntN(8)]
}

func roundTrip(t *testing.T, what string, id uint32, there, back func(uint32) (uint32, bool)) {
	t.Helper()
	other, ok := there(id)
	if !ok {
		return
	}
	if again, ok := back(other); !ok || again != id {
		t.Fatalf("%s: %d became %d became %d (%v)", what, id, other, again, ok)
	}
}

func TestUnmappedIDs(t *testing.T) {
	m := Subordinate(alice, []Range{{100000, 10}}, nil)
	for id, want := range map[uint32]bool{0: true, 1: true, 10: true, 11: false, NoID: false} {
		if _, ok := m.HostUID(id); ok != want {
			t.Errorf("HostUID(%d) is mapped: %v", id, ok)
		}
	}
	for id, want := range map[uint32]bool{1000: true, 999: false, 1001: false, 99999: false, 100009: true, 100010: false} {
		if _, ok := m.ContainerUID(id); ok != want {
			t.Errorf("ContainerUID(%d) is mapped: %v", id, ok)
		}
	}
	if _, ok := m.HostGID(1); ok {
		t.Error("gid 1 is mapped by the uid map")
	}
}

func TestValidate(t *testing.T) {
	ok := []Extent{{0, 1000, 1}}
	var many, long []Extent
	for i := range uint32(341) {
		many = append(many, Extent{i, i, 1})
		long = append(long, Extent{1<<31 + i, 1<<31 + i, 1})
	}
	for name, tt := range map[string]struct {
		m    Map
		want string // in the error; "" is valid
	}{
		"identity":                {Map{}, ""},
		"one id":                  {Map{ok, ok}, ""},
		"the initial namespace's": {Map{[]Extent{{0, 0, NoID}}, ok}, ""},
		"exactly 340":             {Map{many[:340], ok}, ""},
		"no gids":                 {Map{UIDs: ok}, "gid map: no extents"},
		"no uids":                 {Map{GIDs: ok}, "uid map: no extents"},
		"empty, not nil":          {Map{ok, []Extent{}}, "gid map: no extents"},
		"size 0":                  {Map{ok, []Extent{{0, 1000, 0}}}, "gid map: extent 0:1000:0 has size 0"},
		"container past the end":  {Map{[]Extent{{NoID - 1, 0, 2}}, ok}, "container ids go past 4294967294"},
		"host past the end":       {Map{[]Extent{{0, 1, NoID}}, ok}, "host ids go past 4294967294"},
		"host is no id":           {Map{[]Extent{{0, NoID, 1}}, ok}, "host ids go past 4294967294"},
		"container overlap":       {Map{[]Extent{{5, 100, 10}, {0, 200, 6}}, ok}, "0:200:6 and 5:100:10 overlap in container ids"},
		"host overlap":            {Map{[]Extent{{0, 100, 10}, {50, 109, 1}}, ok}, "overlap in host ids"},
		"touching":                {Map{[]Extent{{0, 100, 10}, {10, 110, 1}}, ok}, ""},
		"341 extents":             {Map{many, ok}, "341 extents, the kernel takes at most 340"},
		"too much text":           {Map{[]Extent{{0, 0, 1}}, long[:340]}, "bytes of text"},
	} {
		t.Run(name, func(t *testing.T) {
			if len(text(tt.m.GIDs)) <= maxText() && tt.want == "bytes of text" {
				t.Skip("pages are larger than this map")
			}
			err := tt.m.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestTextIsReadBack(t *testing.T) {
	in := []Extent{{0, 1000, 1}, {1, 100000, 65536}, {4294967294, 4294967294, 1}}
	if got := string(text(in)); got != "0 1000 1\n1 100000 65536\n4294967294 4294967294 1\n" {
		t.Errorf("text is %q", got)
	}
	out, err := ParseExtents(text(in))
	if err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("%v became %v, %v", in, out, err)
	}
}
