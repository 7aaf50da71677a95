package cgroup2

import (
	"fmt"
	"strings"
	"testing"
)

func show(list []property) string {
	var b strings.Builder
	for _, p := range list {
		fmt.Fprintf(&b, "%s=%s %v\n", p.Name, p.Value.Signature(), p.Value.Value())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestProperties(t *testing.T) {
	const most = "18446744073709551615"
	for in, want := range map[string]string{
		"memory.max 67108864":    "MemoryMax=t 67108864",
		"memory.max max":         "MemoryMax=t " + most,
		"memory.high 5":          "MemoryHigh=t 5",
		"memory.low 5":           "MemoryLow=t 5",
		"memory.min 5":           "MemoryMin=t 5",
		"memory.swap.max 0":      "MemorySwapMax=t 0",
		"pids.max 32":            "TasksMax=t 32",
		"pids.max 0":             "TasksMax=t 1",
		"cpu.weight 100":         "CPUWeight=t 100",
		"cpu.idle 1":             "CPUWeight=t 0",
		"cpu.idle 0":             "CPUWeight=t 100",
		"io.weight default 50":   "IOWeight=t 50",
		"io.weight 8:0 50":       "",
		"memory.max 5M":          "MemoryMax=t 5242880",
		"memory.max 5x":          "",
		"memory.max -1":          "",
		"memory.max":             "",
		"memory.oom.group 1":     "",
		"cpu.max 50000 100000":   "CPUQuotaPeriodUSec=t 100000\nCPUQuotaPerSecUSec=t 500000",
		"cpu.max 1 3":            "CPUQuotaPeriodUSec=t 3\nCPUQuotaPerSecUSec=t 340000", // rounded up
		"cpu.max max 100000":     "CPUQuotaPeriodUSec=t 100000\nCPUQuotaPerSecUSec=t " + most,
		"cpu.max 50000":          "CPUQuotaPeriodUSec=t 100000\nCPUQuotaPerSecUSec=t 500000",
		"cpu.max max":            "CPUQuotaPeriodUSec=t 100000\nCPUQuotaPerSecUSec=t " + most,
		"cpu.max 5 0":            "CPUQuotaPeriodUSec=t 100000\nCPUQuotaPerSecUSec=t 10000",
		"cpu.max x 5":            "",
		"cpu.max " + most + " 1": "",
		"cpuset.cpus 0":          "AllowedCPUs=ay [1]",
		"cpuset.cpus 0-3,8":      "AllowedCPUs=ay [15 1]",
		"cpuset.cpus 7, 16":      "AllowedCPUs=ay [128 0 1]",
		"cpuset.mems 1":          "AllowedMemoryNodes=ay [2]",
		"cpuset.cpus 3-1":        "",
		"cpuset.cpus 0-9999999":  "",
		"cpuset.cpus x":          "",
		"cpuset.cpus":            "",
	} {
		file, value, _ := strings.Cut(in, " ")
		if got := show(propertiesFor([]Write{{File: file, Value: value}})); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", in, got, want)
		}
	}
}

func TestOOMPolicy(t *testing.T) {
	for in, want := range map[string]string{"1": "OOMPolicy=s kill", "0": "OOMPolicy=s continue"} {
		if got := show(oomPolicy([]Write{{File: "memory.max", Value: "5"}, {File: "memory.oom.group", Value: in}})); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	if got := oomPolicy([]Write{{File: "memory.max", Value: "1"}}); got != nil {
		t.Error(got)
	}
}

// TestRounded: systemd writes what it was told per second, in hundredths.
func TestRounded(t *testing.T) {
	for in, want := range map[string]string{"600000 900000": "603000 900000", "12345 100000": "13000 100000", "5000 100000": "5000 100000", "max 900000": "max 900000", "1 0": "1 0", "5": "5"} {
		writes := []Write{{File: "pids.max", Value: "12345 100000"}, {File: "cpu.max", Value: in}}
		got := Placement{Unit: "x.scope"}.Rounded(writes)
		if got[1].Value != want || got[0].Value != "12345 100000" || writes[1].Value != in {
			t.Errorf("%s: %v, want %s", in, got, want)
		}
		if got := (Placement{}).Rounded(writes); got[1].Value != in {
			t.Errorf("a directory: %v", got)
		}
	}
}
