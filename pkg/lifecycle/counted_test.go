package lifecycle

import (
	"os"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestAddProcess: the command's name may hold what looks like fields.
func TestAddProcess(t *testing.T) {
	var s Usage
	addProcess(&s, []byte("7 (a ) 1 2) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 4096 10 18446744073709551615 1 1"))
	if s.CPU.Usage.User != 120e6 || s.CPU.Usage.Kernel != 140e6 || s.Memory.Usage.Usage != 10*uint64(os.Getpagesize()) {
		t.Errorf("%+v %+v", s.CPU.Usage, s.Memory.Usage)
	}
	addProcess(&s, []byte("8 (short) Z 1"))
	if s.CPU.Usage.User != 120e6 {
		t.Errorf("%+v", s.CPU.Usage)
	}
}

func TestChangesNothing(t *testing.T) {
	zero, none, some := int64(0), int64(-1), int64(5)
	for _, c := range []struct {
		change specs.LinuxResources
		want   bool
	}{
		{specs.LinuxResources{}, true},
		{specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &zero, Swap: &zero}, CPU: &specs.LinuxCPU{Idle: &zero}, Pids: &specs.LinuxPids{Limit: &none}}, true},
		{specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &some}}, false},
		{specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "0"}}, false},
		{specs.LinuxResources{Unified: map[string]string{"memory.max": "max"}}, false},
	} {
		if got, err := changesNothing(&c.change); got != c.want || err != nil {
			t.Errorf("%+v: %v %v", c.change, got, err)
		}
	}
	if _, err := changesNothing(&specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "x"}}); err == nil {
		t.Error("what is wrong is no change, too")
	}
}
