package cgroup2

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// busy are the files of a group in use, as Linux 6.12 has them.
var busy = map[string]string{
	"cpu.stat":                 "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\nnice_usec 0\ncore_sched.force_idle_usec 0\nnr_periods 10\nnr_throttled 3\nthrottled_usec 5000\nnr_bursts 0\nburst_usec 0\n",
	"cpu.pressure":             "some avg10=0.12 avg60=1.50 avg300=0.00 total=4711\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=42\n",
	"memory.stat":              "anon 4096\nfile 8192\nkernel 100\n",
	"memory.current":           "12388\n",
	"memory.max":               "67108864\n",
	"memory.peak":              "20000\n",
	"memory.swap.current":      "100\n",
	"memory.swap.max":          "1000\n",
	"memory.swap.peak":         "500\n",
	"memory.events":            "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\nsock_throttled 0\n",
	"memory.pressure":          "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
	"pids.current":             "3\n",
	"pids.max":                 "32\n",
	"io.stat":                  "259:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=9\n8:16 8:0 rbytes=7 rios=8\n7:0\n",
	"io.pressure":              "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n",
	"cpuset.cpus":              "0-1,3\n",
	"cpuset.mems":              "\n",
	"hugetlb.2MB.current":      "2097152\n",
	"hugetlb.2MB.events":       "max 4\n",
	"hugetlb.2MB.max":          "max\n",
	"hugetlb.2MB.rsvd.current": "0\n",
	"hugetlb.1GB.current":      "0\n",
	"hugetlb.1GB.events":       "max 0\n",
}

// group is one with these files. Its name is one that systemd gives.
func group(t testing.TB, files map[string]string) Group {
	below := map[string]string{`cgroup/x/a[b]\x2bc.scope/`: ""}
	for name, text := range files {
		below[`cgroup/x/a[b]\x2bc.scope/`+name] = text
	}
	return fakeHost(t, below).Group(`/x/a[b]\x2bc.scope`)
}

func TestStats(t *testing.T) {
	s, err := group(t, busy).Stats()
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/stats.golden"
	if *update {
		if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.TrimSpace(want), got) {
		t.Errorf("differs from %s (go test -update writes it):\n%s", file, got)
	}
}

// runcNames are the fields of runc 1.5's types.Stats by their JSON names; those
// that only version 1 or other parts of the machine fill are left out.
var runcNames = map[string][]string{
	"Stats":        {"cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces"},
	"CPUStats":     {"usage,omitzero", "throttling,omitzero", "psi,omitempty"},
	"CPUUsage":     {"total,omitempty", "kernel", "user"},
	"Throttling":   {"periods,omitempty", "throttledPeriods,omitempty", "throttledTime,omitempty"},
	"CPUSetStats":  {"cpus,omitempty", "cpu_exclusive", "mems,omitempty", "mem_hardwall", "mem_exclusive", "memory_migrate", "memory_spread_page", "memory_spread_slab", "memory_pressure", "sched_load_balance", "sched_relax_domain_level"},
	"MemoryStats":  {"cache,omitempty", "usage,omitzero", "swap,omitzero", "kernel,omitzero", "kernelTCP,omitzero", "raw,omitempty", "psi,omitempty"},
	"MemoryEntry":  {"limit", "usage,omitempty", "max,omitempty", "failcnt"},
	"PidsStats":    {"current,omitempty", "limit,omitempty"},
	"BlockIOStats": {"ioServiceBytesRecursive,omitempty", "ioServicedRecursive,omitempty", "psi,omitempty"},
	"BlockIOEntry": {"major,omitempty", "minor,omitempty", "op,omitempty", "value,omitempty"},
	"HugetlbStat":  {"usage,omitempty", "max,omitempty", "failcnt"},
	"PSI":          {"some,omitempty", "full,omitempty"},
	"PSIData":      {"avg10", "avg60", "avg300", "total"},
}

func TestStatsNames(t *testing.T) {
	seen := map[string]bool{}
	var look func(reflect.Type)
	look = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			look(typ.Elem())
			return
		case reflect.Struct:
		default:
			return
		}
		if typ.NumField() == 0 || seen[typ.Name()] {
			return
		}
		seen[typ.Name()] = true
		var names []string
		for i := range typ.NumField() {
			names = append(names, typ.Field(i).Tag.Get("json"))
			look(typ.Field(i).Type)
		}
		if want := runcNames[typ.Name()]; !slices.Equal(names, want) {
			t.Errorf("%s: %q, runc has %q", typ.Name(), names, want)
		}
	}
	look(reflect.TypeFor[Stats]())
	if len(seen) != len(runcNames) {
		t.Errorf("only %v were seen", slices.Collect(maps.Keys(seen)))
	}
}

func TestStatsMissing(t *testing.T) {
	s, err := group(t, nil).Stats()
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(s)
	if text := string(got); strings.Contains(text, "psi") || strings.Contains(text, "limit") || !strings.Contains(text, `"hugetlb":{}`) || !strings.Contains(text, `"network_interfaces":null`) {
		t.Error(text)
	}
	g := group(t, nil)
	g.Path = "/none"
	if _, err := g.Stats(); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
	// Each file by itself may be missing.
	for name := range busy {
		files := maps.Clone(busy)
		delete(files, name)
		if _, err := group(t, files).Stats(); err != nil {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestStatsUnlimited(t *testing.T) {
	for _, c := range []struct {
		memory, swap string
		want         uint64
	}{{"max", "max", math.MaxUint64}, {"max", "4096", math.MaxUint64}, {"4096", "max", math.MaxUint64}, {"4096", "0", 4096}} {
		s, err := group(t, map[string]string{"memory.max": c.memory, "memory.swap.max": c.swap, "pids.max": "max"}).Stats()
		if err != nil || s.Memory.Swap.Limit != c.want || s.Pids.Limit != 0 {
			t.Errorf("%+v: %d %v", c, s.Memory.Swap.Limit, err)
		}
	}
}

func TestStatsGarbage(t *testing.T) {
	for name, text := range map[string]string{
		"cpu.stat": "usage_usec x\n", "cpu.pressure": "some avg10=NaN\n", "io.pressure": "full avg10=1 total=-1\n", "memory.current": "-1\n", "pids.max": "many\n",
		"io.stat": "8:0 rbytes=x\n", "hugetlb.2MB.current": "99999999999999999999999\n", "memory.stat": "anon\n",
	} {
		_, err := group(t, map[string]string{name: text}).Stats()
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{"io.stat": "=5\n8:0 =5 rdepth=max\ngarbage rbytes=5\n", "cpu.pressure": "much avg10=5.0\n", "cpuset.cpus": "x-y", "cpuset.mems": "5-1,99999"} {
		s, err := group(t, map[string]string{name: text}).Stats()
		if err != nil || s.BlockIO.Bytes != nil || s.BlockIO.IOs != nil || s.CPUSet.CPUs != nil || s.CPUSet.Mems != nil {
			t.Errorf("%s: %+v %v", name, s, err)
		}
		if name == "cpu.pressure" && *s.CPU.PSI != (PSI{}) {
			t.Errorf("%s: %+v", name, s.CPU.PSI)
		}
	}
}

func TestOOM(t *testing.T) {
	if o := group(t, busy).OOM(); o == nil || *o != (OOM{Kills: 1, Limit: 67108864, Peak: 20000}) {
		t.Errorf("%+v", o)
	}
	for _, text := range []string{"oom 5\noom_kill 0\n", "", "garbage", "oom_kill x"} {
		if o := group(t, map[string]string{"memory.events": text}).OOM(); o != nil {
			t.Errorf("%q: %+v", text, o)
		}
	}
	if o := group(t, nil).OOM(); o != nil {
		t.Errorf("%+v", o)
	}
	g := group(t, busy)
	m, err := g.WatchMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if o, err := m.New(); o != nil || err != nil {
		t.Error(o, err)
	}
	put(t, g.file("memory.events"), "oom_kill 3\n", false)
	put(t, g.file("memory.max"), "max\n", false)
	if o, err := m.New(); err != nil || o == nil || o.Kills != 3 || o.Limit != math.MaxUint64 {
		t.Errorf("%+v %v", o, err)
	}
	if o, err := m.New(); o != nil || err != nil {
		t.Error("told twice", o, err)
	}
	g.Path = "/none"
	if _, err := g.WatchMemory(); !Gone(err) {
		t.Error(err)
	}
}

// FuzzStats: whatever is in a file, what is read of it is JSON or an error.
func FuzzStats(f *testing.F) {
	names := slices.Sorted(maps.Keys(busy))
	for i, name := range names {
		f.Add(uint8(i), busy[name])
	}
	f.Add(uint8(slices.Index(names, "io.stat")), "=1\n8: =\n:")
	g := group(f, busy)
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		name := g.file(names[int(which)%len(names)])
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := g.Stats()
		if err == nil {
			_, err = json.Marshal(s)
			if err != nil {
				t.Error(err)
			}
		}
		g.OOM()
		if err := os.WriteFile(name, []byte(busy[names[int(which)%len(names)]]), 0o644); err != nil {
			t.Fatal(err)
		}
	})
}
