package spec

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestInherit: an exec that says nothing is confined as the container is.
func TestInherit(t *testing.T) {
	mask := uint32(0o27)
	from := &specs.Process{
		Capabilities: &specs.LinuxCapabilities{}, Rlimits: []specs.POSIXRlimit{{}}, User: specs.User{Umask: &mask},
		SelinuxLabel: "s", ApparmorProfile: "a", Scheduler: &specs.Scheduler{}, IOPriority: &specs.LinuxIOPriority{},
		ExecCPUAffinity: &specs.CPUAffinity{},
	}
	var p specs.Process
	Inherit(&p, from)
	if p.Capabilities == nil || len(p.Rlimits) != 1 || p.User.Umask != &mask || p.SelinuxLabel != "s" || p.ApparmorProfile != "a" ||
		p.Scheduler == nil || p.IOPriority == nil || p.ExecCPUAffinity == nil {
		t.Errorf("%+v", p)
	}
	own := specs.Process{SelinuxLabel: "mine"}
	Inherit(&own, from)
	if own.SelinuxLabel != "mine" {
		t.Error("its own label was replaced")
	}
}
