package cgroup2

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func resources(t *testing.T, text string) *specs.LinuxResources {
	t.Helper()
	var r specs.LinuxResources
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	return &r
}

func TestWrites(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: ``,
		// what Docker writes when nothing was asked for
		`{"memory":{"limit":0,"swap":0,"reservation":0,"disableOOMKiller":false},"cpu":{"shares":0,"quota":0,"period":0,"cpus":"","realtimeRuntime":0},"pids":{"limit":0},"blockIO":{"weight":0}}`: ``,

		`{"memory":{"limit":100}}`:                                                  `memory.max=100`,
		`{"memory":{"limit":-1}}`:                                                   `memory.swap.max=max memory.max=max`,
		`{"memory":{"limit":100,"swap":150}}`:                                       `memory.swap.max=50 memory.max=100`,
		`{"memory":{"limit":100,"swap":100}}`:                                       `memory.swap.max=0 memory.max=100`,
		`{"memory":{"limit":100,"swap":-1}}`:                                        `memory.swap.max=max memory.max=100`,
		`{"memory":{"reservation":7}}`:                                              `memory.low=7`,
		`{"memory":{"kernel":5,"swappiness":3}}`:                                    ``,
		`{"cpu":{"shares":1024}}`:                                                   `cpu.weight=100`,
		`{"cpu":{"shares":2}}`:                                                      `cpu.weight=1`,
		`{"cpu":{"shares":262144}}`:                                                 `cpu.weight=10000`,
		`{"cpu":{"quota":50000}}`:                                                   `cpu.max=50000_100000`,
		`{"cpu":{"period":20000}}`:                                                  `cpu.max=max_20000`,
		`{"cpu":{"quota":-1,"period":20000}}`:                                       `cpu.max=max_20000`,
		`{"cpu":{"quota":1,"period":2,"burst":3}}`:                                  `cpu.max=1_2 cpu.max.burst=3`,
		`{"cpu":{"idle":1,"shares":5}}`:                                             `cpu.idle=1`,
		`{"cpu":{"idle":0,"shares":1024}}`:                                          `cpu.idle=0 cpu.weight=100`,
		`{"cpu":{"cpus":"0-3,8","mems":"0"}}`:                                       `cpuset.cpus=0-3,8 cpuset.mems=0`,
		`{"pids":{"limit":32}}`:                                                     `pids.max=32`,
		`{"pids":{"limit":-1}}`:                                                     `pids.max=max`,
		`{"blockIO":{"weight":10}}`:                                                 `io.bfq.weight=10 io.weight=default_1`,
		`{"blockIO":{"weight":1000}}`:                                               `io.bfq.weight=1000 io.weight=default_10000`,
		`{"blockIO":{"weightDevice":[{"major":8,"minor":1,"weight":20}]}}`:          `io.bfq.weight=8:1_20`,
		`{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1000}]}}`: `io.max=8:0_rbps=1000`,
		`{"blockIO":{"throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":0}]}}`:  `io.max=8:0_wiops=max`,
		`{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}`:                   `hugetlb.2MB.max=4194304 hugetlb.2MB.rsvd.max=4194304`,
		`{"rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000}}}`:                   `rdma.max=mlx5_1_hca_handle=3_hca_object=10000`,
		`{"unified":{"memory.high":"9","cpu.weight":"3"}}`:                          `cpu.weight=3 memory.high=9`,
		`{"network":{"classID":1,"priorities":[{"name":"eth0","priority":1}]}}`:     ``,
		`{"devices":[{"allow":false,"access":"rwm"}]}`:                              ``,
		`{"memory":{"limit":9223372036854775807}}`:                                  `memory.max=9223372036854775807`,
		`{"cpu":{"realtimeRuntime":5,"realtimePeriod":6}}`:                          ``,
		`{"memory":{"limit":100,"checkBeforeUpdate":true,"useHierarchy":true}}`:     `memory.max=100`,
		`{"blockIO":{"leafWeight":3,"weightDevice":[{"major":1,"minor":2}]}}`:       ``,
		`{"blockIO":{"throttleWriteBpsDevice":[{"major":8,"minor":0,"rate":1}],"throttleReadIOPSDevice":[{"major":8,"minor":0,"rate":2}]}}`: `io.max=8:0_wbps=1 io.max=8:0_riops=2`,
	} {
		writes, err := Writes(resources(t, text))
		var got []string
		for _, w := range writes {
			got = append(got, w.File+"="+strings.ReplaceAll(w.Value, " ", "_"))
			if !strings.HasPrefix(w.Field, "linux.resources.") {
				t.Errorf("%s: %s does not say what asked for it: %q", text, w.File, w.Field)
			}
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", text, strings.Join(got, " "), err, want)
		}
	}
}

func TestWritesRefuse(t *testing.T) {
	for text, want := range map[string]string{
		`{"memory":{"limit":-2}}`:                        "linux.resources.memory.limit: -2 is negative; -1 is no limit",
		`{"memory":{"reservation":-5}}`:                  "linux.resources.memory.reservation: -5 is negative",
		`{"memory":{"swap":50}}`:                         "linux.resources.memory.swap: it is the limit of memory and swap together",
		`{"memory":{"limit":-1,"swap":50}}`:              "linux.resources.memory.swap: it is the limit",
		`{"memory":{"limit":100,"swap":99}}`:             "linux.resources.memory.swap: 99 is less than the limit of memory alone, 100",
		`{"memory":{"limit":100,"swap":-3}}`:             "linux.resources.memory.swap: -3 is negative",
		`{"cpu":{"quota":-7}}`:                           "linux.resources.cpu.quota: -7 is negative",
		`{"cpu":{"idle":2}}`:                             "linux.resources.cpu.idle: 2: want 0 or 1",
		`{"cpu":{"cpus":"all"}}`:                         `linux.resources.cpu.cpus: "all": want numbers and ranges`,
		`{"cpu":{"mems":"0\n1"}}`:                        "linux.resources.cpu.mems",
		`{"pids":{"limit":-2}}`:                          "linux.resources.pids.limit: -2 is negative",
		`{"blockIO":{"weight":5}}`:                       "linux.resources.blockIO.weight: 5: want 10 to 1000",
		`{"blockIO":{"weightDevice":[{"weight":1001}]}}`: "linux.resources.blockIO.weightDevice[0].weight: 1001",
		`{"hugepageLimits":[{"pageSize":"../x"}]}`:       `linux.resources.hugepageLimits[0].pageSize: "../x"`,
		`{"rdma":{"a b":{}}}`:                            `linux.resources.rdma: "a b" is no name`,
		`{"unified":{"../memory.max":"1"}}`:              `linux.resources.unified: "../memory.max": want the name of a file`,
		`{"unified":{"memory":"1"}}`:                     `linux.resources.unified: "memory"`,
		`{"unified":{".x":"1"}}`:                         `linux.resources.unified: ".x"`,
		`{"unified":{"cgroup.procs":"1"}}`:               `linux.resources.unified: "cgroup.procs" is no limit`,
	} {
		if w, err := Writes(resources(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v; want %q", text, w, err, want)
		}
	}
}

func TestLost(t *testing.T) {
	r := resources(t, `{"memory":{"kernel":1,"kernelTCP":2,"swappiness":60,"disableOOMKiller":true},"cpu":{"realtimeRuntime":1,"realtimePeriod":2},
		"blockIO":{"leafWeight":10},"network":{"classID":5,"priorities":[{"name":"x","priority":1}]}}`)
	want := []string{"memory.kernel", "memory.kernelTCP", "memory.swappiness", "memory.disableOOMKiller", "cpu.realtimeRuntime", "cpu.realtimePeriod", "blockIO.leafWeight", "network.classID", "network.priorities"}
	for i := range want {
		want[i] = "linux.resources." + want[i]
	}
	if got := Lost(r); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := Lost(resources(t, `{"memory":{"kernel":0,"disableOOMKiller":false},"cpu":{"realtimePeriod":0},"network":{"classID":0}}`)); got != nil {
		t.Errorf("values that ask for nothing: %q", got)
	}
}

func TestMerge(t *testing.T) {
	old := resources(t, `{"memory":{"limit":100,"swap":200,"reservation":50},"cpu":{"quota":1,"period":2,"shares":3,"cpus":"0"},"pids":{"limit":4},
		"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1},{"major":8,"minor":16,"rate":2}]},"unified":{"a.b":"1"}}`)
	before, _ := json.Marshal(old)
	got := Merge(old, resources(t, `{"memory":{"limit":150,"swap":0},"cpu":{"quota":9,"shares":0},"pids":{"limit":0},
		"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":16,"rate":7}]},"unified":{"c.d":"2"}}`))
	want := resources(t, `{"memory":{"limit":150,"swap":200,"reservation":50},"cpu":{"quota":9,"period":2,"shares":3,"cpus":"0"},"pids":{"limit":4},
		"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1},{"major":8,"minor":16,"rate":7}]},"unified":{"a.b":"1","c.d":"2"}}`)
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if string(a) != string(b) {
		t.Errorf("got %s\nwant %s", a, b)
	}
	if after, _ := json.Marshal(old); string(after) != string(before) {
		t.Errorf("the old one has changed: %s", after)
	}
	// without a limit of memory there is none of memory and swap
	if got := Merge(old, resources(t, `{"memory":{"limit":-1}}`)); got.Memory.Swap != nil {
		t.Errorf("swap is still limited: %d", *got.Memory.Swap)
	}
	if got := Merge(nil, nil); got == nil {
		t.Error("nothing and nothing is nil")
	}
}

// FuzzWrites: whatever the configuration says, what is written is a file of the group.
func FuzzWrites(f *testing.F) {
	f.Add(`{"memory":{"limit":1},"cpu":{"cpus":"0"},"unified":{"a.b":"c"}}`)
	f.Add(`{"hugepageLimits":[{"pageSize":"2MB","limit":1}],"rdma":{"x":{}},"blockIO":{"weight":10}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var r specs.LinuxResources
		if json.Unmarshal([]byte(text), &r) != nil {
			return
		}
		writes, err := Writes(&r)
		if err != nil && len(writes) > 0 {
			t.Error("an error and writes")
		}
		for _, w := range writes {
			if strings.ContainsAny(w.File, "/\x00\n") || !strings.Contains(w.File, ".") || w.Controller() == "" {
				t.Errorf("%q is no file of a group", w.File)
			}
			Properties([]Write{w})
		}
		Lost(&r)
		Merge(&r, &r)
	})
}
