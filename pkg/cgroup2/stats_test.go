package cgroup2

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// group is a directory with these files.
func group(t testing.TB, files map[string]string) Group {
	t.Helper()
	g := Group{Mount: t.TempDir(), Path: "/g"}
	if err := os.Mkdir(g.Dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(g.file(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func TestStats(t *testing.T) {
	g := group(t, map[string]string{
		"cpu.stat":       "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 5\nnr_throttled 2\nthrottled_usec 7\n",
		"memory.current": "1000\n", "memory.max": "4096\n", "memory.peak": "2000\n",
		"memory.swap.current": "5\n", "memory.swap.max": "100\n", "memory.swap.peak": "9\n",
		"memory.stat": "anon 1\nfile 300\n", "memory.events": "low 0\nmax 4\noom 1\noom_kill 1\n",
		"pids.current": "3\n", "pids.max": "32\n",
		"io.stat":             "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n\n",
		"hugetlb.2MB.current": "2097152\n", "hugetlb.2MB.events": "max 3\n", "hugetlb.2MB.rsvd.current": "0\n",
		"cpuset.cpus":  "0-1,4\n",
		"cpu.pressure": "some avg10=1.50 avg60=0.00 avg300=0.25 total=99\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
	})
	s, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(s)
	for _, want := range []string{
		`"cpu":{"usage":{"total":30000,"kernel":10000,"user":20000},"throttling":{"periods":5,"throttledPeriods":2,"throttledTime":7000},"psi":{"some":{"avg10":1.5,"avg60":0,"avg300":0.25,"total":99}`,
		`"usage":{"limit":4096,"usage":1000,"max":2000,"failcnt":4},"swap":{"limit":4196,"usage":1005,"failcnt":0}`,
		`"cache":300`, `"raw":{"anon":1,"file":300}`, `"pids":{"current":3,"limit":32}`, `"cpuset":{"cpus":[0,1,4],`,
		`"ioServiceBytesRecursive":[{"major":8,"op":"Read","value":1},{"major":8,"op":"Write","value":2},{"major":8,"op":"Discard","value":5}]`,
		`"ioServicedRecursive":[{"major":8,"op":"Read","value":3},{"major":8,"op":"Write","value":4},{"major":8,"op":"Discard","value":6}]`,
		`"hugetlb":{"2MB":{"usage":2097152,"failcnt":3}}`, `"network_interfaces":null`,
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	if o := g.OOM(); o == nil || *o != (OOM{Kills: 1, Limit: 4096, Peak: 2000}) {
		t.Errorf("oom: %+v", o)
	}
}

// TestStatsNames: programs read these names; they are runc's (its types/events.go), those of resctrl left out.
func TestStatsNames(t *testing.T) {
	runc := map[string]string{
		"Stats":        "cpu cpuset memory pids blkio hugetlb intel_rdt network_interfaces",
		"CPUStats":     "usage throttling psi",
		"CPUUsage":     "total percpu percpu_kernel percpu_user kernel user",
		"Throttling":   "periods throttledPeriods throttledTime",
		"CPUSetStats":  "cpus cpu_exclusive mems mem_hardwall mem_exclusive memory_migrate memory_spread_page memory_spread_slab memory_pressure sched_load_balance sched_relax_domain_level",
		"MemoryStats":  "cache usage swap kernel kernelTCP raw psi",
		"MemoryEntry":  "limit usage max failcnt",
		"PidsStats":    "current limit",
		"BlockIOStats": "ioServiceBytesRecursive ioServicedRecursive ioQueueRecursive ioServiceTimeRecursive ioWaitTimeRecursive ioMergedRecursive ioTimeRecursive sectorsRecursive psi",
		"BlockIOEntry": "major minor op value",
		"HugetlbStat":  "usage max failcnt",
	}
	for _, v := range []any{Stats{}, CPUStats{}, CPUUsage{}, Throttling{}, CPUSetStats{}, MemoryStats{}, MemoryEntry{}, PidsStats{}, BlockIOStats{}, BlockIOEntry{}, HugetlbStat{}} {
		typ := reflect.TypeOf(v)
		names := " " + runc[typ.Name()] + " "
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if !strings.Contains(names, " "+name+" ") {
				t.Errorf("%s.%s: %q is no name of runc's", typ.Name(), typ.Field(i).Name, name)
			}
		}
	}
}

// TestStatsMissing: without controllers there are only zeros; without a group there is an error.
func TestStatsMissing(t *testing.T) {
	s, err := group(t, nil).Stats()
	if err != nil || s.Memory.Usage.Limit != 0 || s.CPU.PSI != nil {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := (Group{Mount: t.TempDir(), Path: "/none"}).Stats(); !Gone(err) {
		t.Errorf("no group: %v", err)
	}
	if _, err := group(t, map[string]string{"memory.max": "nonsense"}).Stats(); err == nil || !strings.Contains(err.Error(), "memory.max") {
		t.Errorf("nonsense: %v", err)
	}
}

func FuzzStats(f *testing.F) {
	f.Add("usage_usec 1", "8:0 rbytes=1", "some avg10=1.0 total=5", "0-3")
	f.Add("", "=", "full", "9-1")
	f.Fuzz(func(t *testing.T, table, io, pressure, list string) {
		g := group(t, map[string]string{"cpu.stat": table, "memory.stat": table, "memory.events": table, "io.stat": io, "io.pressure": pressure, "cpuset.cpus": list})
		_, _ = g.Stats()
		g.OOM()
	})
}

func TestApply(t *testing.T) {
	g := group(t, map[string]string{"cgroup.controllers": "cpu pids\n", "pids.max": "", "cpu.weight": "", "io.bfq.weight": ""})
	writes := []Write{{File: "pids.max", Value: "5", Field: "linux.resources.pids.limit"}, {File: "memory.max", Value: "1", Field: "x"}}
	can, missing, err := g.Split(writes)
	if err != nil || len(can) != 1 || len(missing) != 1 || missing[0].File != "memory.max" {
		t.Errorf("%v, %v, %v", can, missing, err)
	}
	if err := g.Apply(can); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(g.file("pids.max")); string(b) != "5" {
		t.Errorf("wrote %q", b)
	}
	if err := g.Apply([]Write{{File: "none.max", Value: "1", Lenient: true}, {File: "io.weight", Value: "1", Instead: "io.bfq.weight"}}); err != nil {
		t.Error(err)
	}
	if err := g.Apply([]Write{{File: "cpu.idle", Value: "7", Field: "linux.resources.cpu.idle"}}); err == nil || err.Error() != `linux.resources.cpu.idle: write "7" to cpu.idle of cgroup /g: no such file or directory: this kernel has no such file` {
		t.Errorf("got %v", err)
	}
	// a link in the place of a file is not followed
	if err := os.Symlink(filepath.Join(g.Dir(), "pids.max"), g.file("cpu.max")); err != nil {
		t.Fatal(err)
	}
	if err := g.Apply([]Write{{File: "cpu.max", Value: "9"}}); err == nil {
		t.Error("followed a link")
	}
}
