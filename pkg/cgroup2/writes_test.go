package cgroup2

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func resources(t testing.TB, text string) *specs.LinuxResources {
	t.Helper()
	r := &specs.LinuxResources{}
	if err := json.Unmarshal([]byte(text), r); err != nil {
		t.Fatal(err)
	}
	return r
}

// lines are writes as "FILE VALUE", with what is special behind.
func lines(writes []Write) string {
	var list []string
	for _, w := range writes {
		line := w.File + " = " + w.Value
		if w.Lenient {
			line += " lenient"
		}
		if w.Instead != "" {
			line += " unless " + w.Instead
		}
		list = append(list, line)
	}
	return strings.Join(list, "\n")
}

// What Docker sends for a container without any limit asks for nothing.
const dockerZeros = `{"blockIO":{"weight":0,"leafWeight":0,"weightDevice":[{"major":8,"minor":0,"weight":0}]},
	"memory":{"limit":0,"reservation":0,"swap":0,"kernel":0,"kernelTCP":0,"disableOOMKiller":false},
	"cpu":{"shares":0,"quota":0,"period":0,"realtimeRuntime":0,"realtimePeriod":0,"cpus":"","mems":""},
	"pids":{"limit":0},"network":{"classID":0,"priorities":[]},"hugepageLimits":[],"rdma":{"mlx5_1":{}},"unified":{}}`

func TestWrites(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"empty":                  {`{}`, ""},
		"zeros":                  {dockerZeros, ""},
		"memory":                 {`{"memory":{"limit":67108864,"reservation":33554432}}`, "memory.max = 67108864\nmemory.low = 33554432"},
		"memory unlimited":       {`{"memory":{"limit":-1}}`, "memory.swap.max = max lenient\nmemory.max = max"},
		"reservation off":        {`{"memory":{"reservation":-1}}`, "memory.low = max"},
		"swap first":             {`{"memory":{"limit":100,"swap":300}}`, "memory.swap.max = 200\nmemory.max = 100"},
		"no swap":                {`{"memory":{"limit":100,"swap":100}}`, "memory.swap.max = 0 lenient\nmemory.max = 100"},
		"swap unlimited":         {`{"memory":{"limit":100,"swap":-1}}`, "memory.swap.max = max lenient\nmemory.max = 100"},
		"swap unlimited alone":   {`{"memory":{"swap":-1}}`, "memory.swap.max = max lenient"},
		"both unlimited":         {`{"memory":{"limit":-1,"swap":-1}}`, "memory.swap.max = max lenient\nmemory.max = max"},
		"memory alone unlimited": {`{"memory":{"limit":-1,"swap":5}}`, "memory.swap.max = 5\nmemory.max = max"},
		"largest":                {`{"memory":{"limit":1,"swap":9223372036854775807}}`, "memory.swap.max = 9223372036854775806\nmemory.max = 1"},
		"lost ones":              {`{"memory":{"kernel":1,"kernelTCP":1,"swappiness":60,"disableOOMKiller":true,"useHierarchy":true,"checkBeforeUpdate":true}}`, ""},
		"shares":                 {`{"cpu":{"shares":1024}}`, "cpu.weight = 100"},
		"quota only":             {`{"cpu":{"quota":50000}}`, "cpu.max = 50000 100000"},
		"period only":            {`{"cpu":{"period":50000}}`, "cpu.max = max 50000"},
		"quota and period":       {`{"cpu":{"quota":25000,"period":50000}}`, "cpu.max = 25000 50000"},
		"quota off":              {`{"cpu":{"quota":-1}}`, "cpu.max = max 100000"},
		"burst alone":            {`{"cpu":{"burst":10}}`, "cpu.max.burst = 10"},
		"burst off":              {`{"cpu":{"burst":0}}`, "cpu.max.burst = 0"},
		// A smaller burst has to come before a smaller quota, and a larger one after a larger.
		"burst and quota": {`{"cpu":{"quota":5000,"burst":10}}`, "cpu.max.burst = 10 lenient\ncpu.max = 5000 100000\ncpu.max.burst = 10"},
		"idle":            {`{"cpu":{"idle":1,"shares":2}}`, "cpu.idle = 1"},
		"not idle":        {`{"cpu":{"idle":0,"shares":2}}`, "cpu.idle = 0\ncpu.weight = 1"},
		"cpuset":          {`{"cpu":{"cpus":"0-1,3","mems":"0"}}`, "cpuset.cpus = 0-1,3\ncpuset.mems = 0"},
		"pids":            {`{"pids":{"limit":32}}`, "pids.max = 32"},
		"pids off":        {`{"pids":{"limit":-1}}`, "pids.max = max"},
		"io weight":       {`{"blockIO":{"weight":10}}`, "io.bfq.weight = 10 lenient\nio.weight = default 1 unless io.bfq.weight"},
		"io most":         {`{"blockIO":{"weight":1000}}`, "io.bfq.weight = 1000 lenient\nio.weight = default 10000 unless io.bfq.weight"},
		"io of a device":  {`{"blockIO":{"weightDevice":[{"major":8,"minor":16,"weight":500}]}}`, "io.bfq.weight = 8:16 500 lenient\nio.weight = 8:16 4950 unless io.bfq.weight"},
		"throttles": {`{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1}],"throttleWriteBpsDevice":[{"major":8,"minor":0,"rate":18446744073709551615}],
			"throttleReadIOPSDevice":[{"major":8,"minor":0,"rate":0}],"throttleWriteIOPSDevice":[{"major":8,"minor":1,"rate":4},{"major":9,"minor":1,"rate":5}]}}`,
			"io.max = 8:0 rbps=1\nio.max = 8:0 wbps=18446744073709551615\nio.max = 8:0 riops=max\nio.max = 8:1 wiops=4\nio.max = 9:1 wiops=5"},
		"hugetlb": {`{"hugepageLimits":[{"pageSize":"2MB","limit":0},{"pageSize":"1GB","limit":5}]}`,
			"hugetlb.2MB.max = 0\nhugetlb.2MB.rsvd.max = 0 lenient\nhugetlb.1GB.max = 5\nhugetlb.1GB.rsvd.max = 5 lenient"},
		"rdma":    {`{"rdma":{"b":{"hcaHandles":0},"a":{"hcaHandles":2,"hcaObjects":3}}}`, "rdma.max = a hca_handle=2 hca_object=3\nrdma.max = b hca_handle=0"},
		"unified": {`{"unified":{"memory.high":"5M","cgroup.max.depth":"3","cpu.max":""},"memory":{"limit":7}}`, "memory.max = 7\ncgroup.max.depth = 3\nmemory.high = 5M"},
		// The specification's own example has two lines; the kernel takes one at a time.
		"lines":        {`{"unified":{"io.max":"259:0 rbps=2097152 wiops=120\n\n253:0 rbps=2097152\n"}}`, "io.max = 259:0 rbps=2097152 wiops=120\nio.max = 253:0 rbps=2097152"},
		"idle by file": {`{"cpu":{"shares":2},"unified":{"cpu.idle":"1"}}`, "cpu.idle = 1"},
	} {
		writes, err := Writes(resources(t, c.in))
		if err != nil || lines(writes) != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, lines(writes), c.want)
		}
		for _, w := range writes {
			if !strings.HasPrefix(w.Field, field) {
				t.Errorf("%s: %s comes from %q", name, w.File, w.Field)
			}
		}
	}
	if w, err := Writes(nil); w != nil || err != nil {
		t.Error(w, err)
	}
}

func TestWritesRefused(t *testing.T) {
	for in, want := range map[string]string{
		`{"memory":{"limit":-2}}`:                                     "linux.resources.memory.limit: -2 is negative",
		`{"memory":{"limit":-9223372036854775808,"swap":1}}`:          "linux.resources.memory",
		`{"memory":{"reservation":-2}}`:                               "linux.resources.memory.reservation: -2",
		`{"memory":{"swap":-2,"limit":1}}`:                            "linux.resources.memory.swap: -2",
		`{"memory":{"swap":5}}`:                                       "linux.resources.memory.swap: it is the limit of memory and swap together",
		`{"memory":{"swap":5,"limit":0}}`:                             "there is none for memory",
		`{"memory":{"swap":5,"limit":6}}`:                             "linux.resources.memory.swap: 5 is less than the limit of memory alone, 6",
		`{"cpu":{"period":100}}`:                                      "linux.resources.cpu.period: 100: invalid argument",
		`{"cpu":{"period":1000001}}`:                                  "linux.resources.cpu.period: 1000001: invalid argument",
		`{"cpu":{"quota":999}}`:                                       "linux.resources.cpu.quota: 999: invalid argument",
		`{"cpu":{"quota":-2}}`:                                        "linux.resources.cpu.quota: -2",
		`{"cpu":{"idle":2}}`:                                          "linux.resources.cpu.idle: 2: want 0 or 1",
		`{"cpu":{"idle":-1}}`:                                         "linux.resources.cpu.idle: -1",
		`{"cpu":{"cpus":"0-3x4"}}`:                                    `linux.resources.cpu.cpus: "0-3x4"`,
		`{"cpu":{"mems":"0\n1"}}`:                                     `linux.resources.cpu.mems: "0\n1"`,
		`{"pids":{"limit":-2}}`:                                       "linux.resources.pids.limit: -2",
		`{"blockIO":{"weight":9}}`:                                    "linux.resources.blockIO.weight: 9: want 10 to 1000",
		`{"blockIO":{"weight":1001}}`:                                 "linux.resources.blockIO.weight: 1001",
		`{"blockIO":{"weightDevice":[{"weight":0},{"weight":1}]}}`:    "linux.resources.blockIO.weightDevice[1].weight: 1",
		`{"hugepageLimits":[{"pageSize":"","limit":1}]}`:              "linux.resources.hugepageLimits[0].pageSize",
		`{"hugepageLimits":[{"pageSize":"2MB.rsvd","limit":1}]}`:      `linux.resources.hugepageLimits[0].pageSize: "2MB.rsvd"`,
		`{"hugepageLimits":[{"pageSize":"/../x","limit":1}]}`:         "want a size such as 2MB",
		`{"rdma":{"a b":{"hcaHandles":1}}}`:                           `linux.resources.rdma: "a b" is no name of a device`,
		`{"rdma":{"":{"hcaHandles":1}}}`:                              "is no name of a device",
		`{"unified":{"memory":"1"}}`:                                  `linux.resources.unified: "memory": want the name of a file`,
		`{"unified":{"../cgroup.procs":"1"}}`:                         "want the name of a file",
		`{"unified":{"a.b/c":"1"}}`:                                   "want the name of a file",
		`{"unified":{"..":"1"}}`:                                      "want the name of a file",
		`{"unified":{".":"1"}}`:                                       "want the name of a file",
		`{"unified":{"a.b\u0000":"1"}}`:                               "want the name of a file",
		`{"unified":{"cgroup.procs":"1"}}`:                            `linux.resources.unified: "cgroup.procs" is no limit`,
		`{"unified":{"cgroup.threads":"1"}}`:                          "is no limit",
		`{"unified":{"cgroup.subtree_control":"+a"}}`:                 "is no limit",
		`{"unified":{"cgroup.type":"threaded"}}`:                      "is no limit",
		`{"unified":{"cgroup.kill":"1"}}`:                             "is no limit",
		`{"unified":{"cgroup.freeze":"1","memory.max":"1","a.b":""}}`: "is no limit",
	} {
		writes, err := Writes(resources(t, in))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v (%s), want %q", in, err, lines(writes), want)
		}
		if writes != nil {
			t.Errorf("%s: writes besides an error: %s", in, lines(writes))
		}
	}
}

func TestLost(t *testing.T) {
	if lost := Lost(resources(t, dockerZeros)); lost != nil {
		t.Errorf("zeros: %q", lost)
	}
	if lost := Lost(nil); lost != nil {
		t.Errorf("nil: %q", lost)
	}
	all := `{"memory":{"limit":1,"kernel":1,"kernelTCP":1,"swappiness":0,"disableOOMKiller":true},"cpu":{"shares":5,"realtimeRuntime":1,"realtimePeriod":1},
		"blockIO":{"weight":10,"leafWeight":10,"weightDevice":[{"leafWeight":0},{"leafWeight":20}]},"network":{"classID":1,"priorities":[{"name":"eth0","priority":1}]}}`
	want := []string{"memory.kernel", "memory.kernelTCP", "memory.swappiness", "memory.disableOOMKiller", "cpu.realtimeRuntime", "cpu.realtimePeriod",
		"blockIO.leafWeight", "blockIO.weightDevice[1].leafWeight", "network.classID", "network.priorities"}
	for i := range want {
		want[i] = field + want[i]
	}
	if lost := Lost(resources(t, all)); !slices.Equal(lost, want) {
		t.Errorf("%q", lost)
	}
}

func TestWeight(t *testing.T) {
	for shares, want := range map[uint64]uint64{0: 1, 1: 1, 2: 1, 3: 2, 512: 59, 1024: 100, 2048: 174, 262143: 10000, 262144: 10000, 1 << 63: 10000} {
		if got := weight(shares); got != want {
			t.Errorf("%d shares: %d, want %d", shares, got, want)
		}
	}
	last := uint64(0)
	for s := uint64(2); s <= 262144; s += 7 {
		if w := weight(s); w < last || w < 1 || w > 10000 {
			t.Fatalf("%d shares: %d after %d", s, w, last)
		} else {
			last = w
		}
	}
}

func TestController(t *testing.T) {
	for file, want := range map[string]string{"memory.max": "memory", "io.bfq.weight": "io", "cgroup.max.depth": "cgroup", "x": "x", "": ""} {
		if got := (Write{File: file}).Controller(); got != want {
			t.Errorf("%q: %q", file, got)
		}
	}
}

// FuzzWrites: whatever a description says, only plain files of the group itself
// are written.
func FuzzWrites(f *testing.F) {
	f.Add(dockerZeros)
	f.Add(`{"memory":{"limit":-1,"swap":5},"unified":{"a.b":"c","..":"x"},"hugepageLimits":[{"pageSize":"/","limit":1}]}`)
	f.Add(`{"cpu":{"cpus":"0-","quota":-1,"burst":3,"idle":0},"rdma":{"x":{"hcaObjects":1}},"blockIO":{"weight":10,"weightDevice":[{"weight":11}]}}`)
	f.Add(`{"unified":{"cgroup.procs":"1","cpuset.cpus":"0-8000","cpu.max":"1 1","io.weight":"default 5"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		r := &specs.LinuxResources{}
		if json.Unmarshal([]byte(text), r) != nil {
			return
		}
		Lost(r)
		Merge(r, Merge(nil, r))
		writes, err := Writes(r)
		if err != nil && writes != nil {
			t.Errorf("writes besides %v", err)
		}
		for _, w := range writes {
			if w.File == "" || w.File == "." || w.File == ".." || filepath.Base(w.File) != w.File || strings.ContainsAny(w.File, "\x00\n") || w.File == "cgroup.procs" {
				t.Errorf("file %q", w.File)
			}
		}
		propertiesFor(writes)
	})
}
