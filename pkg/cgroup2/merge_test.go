package cgroup2

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestMerge(t *testing.T) {
	for name, c := range map[string]struct{ old, change, want string }{
		"nothing":      {`{}`, `{}`, `{}`},
		"zeros":        {`{"memory":{"limit":5},"pids":{"limit":3}}`, dockerZeros, `{"memory":{"limit":5},"cpu":{},"pids":{"limit":3},"blockIO":{"weightDevice":[{"major":8,"minor":0,"weight":0}]},"rdma":{"mlx5_1":{}}}`},
		"new":          {`{}`, `{"memory":{"limit":5},"cpu":{"shares":2},"pids":{"limit":1}}`, `{"memory":{"limit":5},"cpu":{"shares":2},"pids":{"limit":1}}`},
		"memory":       {`{"memory":{"limit":5,"swap":9,"reservation":1}}`, `{"memory":{"limit":6}}`, `{"memory":{"limit":6,"reservation":1,"swap":9}}`},
		"unlimited":    {`{"memory":{"limit":5,"swap":9}}`, `{"memory":{"limit":-1}}`, `{"memory":{"limit":-1}}`},
		"unlimited, 0": {`{"memory":{"limit":5,"swap":9}}`, `{"memory":{"limit":-1,"swap":0}}`, `{"memory":{"limit":-1}}`},
		"swap alone":   {`{"memory":{"limit":5}}`, `{"memory":{"swap":-1}}`, `{"memory":{"limit":5,"swap":-1}}`},
		"period alone": {`{"cpu":{"quota":5,"cpus":"0"}}`, `{"cpu":{"period":7}}`, `{"cpu":{"quota":5,"period":7,"cpus":"0"}}`},
		"quota off":    {`{"cpu":{"quota":5}}`, `{"cpu":{"quota":-1,"mems":"0"}}`, `{"cpu":{"quota":-1,"mems":"0"}}`},
		"burst, idle":  {`{"cpu":{"burst":5,"idle":1}}`, `{"cpu":{"burst":0,"idle":0}}`, `{"cpu":{"burst":0,"idle":0}}`},
		"pids off":     {`{"pids":{"limit":3}}`, `{"pids":{"limit":-1}}`, `{"pids":{"limit":-1}}`},
		"devices":      {`{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1},{"major":9,"minor":0,"rate":1}]}}`, `{"blockIO":{"weight":10,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":0}]}}`, `{"blockIO":{"weight":10,"throttleReadBpsDevice":[{"major":9,"minor":0,"rate":1},{"major":8,"minor":0,"rate":0}]}}`},
		"huge pages":   {`{"hugepageLimits":[{"pageSize":"2MB","limit":1}]}`, `{"hugepageLimits":[{"pageSize":"2MB","limit":0},{"pageSize":"1GB","limit":2}]}`, `{"hugepageLimits":[{"pageSize":"2MB","limit":0},{"pageSize":"1GB","limit":2}]}`},
		"maps":         {`{"unified":{"a.b":"1"},"rdma":{"x":{"hcaHandles":1}}}`, `{"unified":{"c.d":"2"},"rdma":{"y":{"hcaHandles":2}}}`, `{"unified":{"a.b":"1","c.d":"2"},"rdma":{"x":{"hcaHandles":1},"y":{"hcaHandles":2}}}`},
		// A file by its name would be written after the field that changes it.
		"files":         {`{"unified":{"pids.max":"1","memory.swap.max":"2","io.max":"8:0 rbps=1","cpu.max":"3"}}`, `{"pids":{"limit":9},"memory":{"swap":-1},"unified":{"cpu.max":"4"}}`, `{"pids":{"limit":9},"memory":{"swap":-1},"unified":{"io.max":"8:0 rbps=1","cpu.max":"4"}}`},
		"the rest stay": {`{"devices":[{"allow":true}],"network":{"classID":1},"memory":{"checkBeforeUpdate":true}}`, `{"memory":{"limit":1}}`, `{"devices":[{"allow":true}],"network":{"classID":1},"memory":{"limit":1,"checkBeforeUpdate":true}}`},
	} {
		old, change := resources(t, c.old), resources(t, c.change)
		got, _ := json.Marshal(Merge(old, change))
		want, _ := json.Marshal(resources(t, c.want))
		if string(got) != string(want) {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
		// Who asked keeps what they have: an update that is refused changes nothing.
		for _, side := range []struct {
			now  any
			text string
		}{{old, c.old}, {change, c.change}} {
			now, _ := json.Marshal(side.now)
			then, _ := json.Marshal(resources(t, side.text))
			if string(now) != string(then) {
				t.Errorf("%s: was %s and is %s", name, then, now)
			}
		}
	}
	if r := Merge(nil, nil); r == nil {
		t.Error("nil")
	}
}

// TestMergeZeros: a change of zeros alone is no write.
func TestMergeZeros(t *testing.T) {
	old := resources(t, `{"memory":{"limit":5,"swap":7},"cpu":{"shares":5,"quota":7000,"cpus":"0"},"pids":{"limit":3},"blockIO":{"weight":20}}`)
	before, _ := Writes(old)
	after, err := Writes(Merge(old, resources(t, dockerZeros)))
	if err != nil || lines(before) != lines(after) {
		t.Errorf("%v\n%s\nwas\n%s", err, lines(after), lines(before))
	}
}

// TestMergeIdle: who gives a share and says nothing of idleness means a group that has one; who says both is idle.
func TestMergeIdle(t *testing.T) {
	for change, want := range map[string]string{
		`{"cpu":{"shares":1024}}`:                             "cpu.idle=0 cpu.weight=100",
		`{"unified":{"cpu.weight":"8"}}`:                      "cpu.idle=0 cpu.weight=8",
		`{"cpu":{"shares":1024,"idle":1}}`:                    "cpu.idle=1",
		`{"unified":{"cpu.weight":"8","cpu.idle":"1"}}`:       "cpu.idle=1 cpu.idle=1",
		`{"pids":{"limit":5}}`:                                "cpu.idle=1 pids.max=5",
		`{"cpu":{"shares":1024},"unified":{"cpu.idle":"1"}}`:  "cpu.idle=1 cpu.idle=1",
		`{"cpu":{"idle":0},"unified":{"cpu.weight":"max 8"}}`: "cpu.idle=0 cpu.weight=max 8",
	} {
		writes, err := Writes(Merge(resources(t, `{"cpu":{"idle":1}}`), resources(t, change)))
		var got []string
		for _, w := range writes {
			got = append(got, w.File+"="+w.Value)
		}
		if text := strings.Join(got, " "); err != nil || text != want {
			t.Errorf("%s: %s, %v, want %s", change, text, err, want)
		}
	}
}
