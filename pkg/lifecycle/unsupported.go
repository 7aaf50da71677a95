package lifecycle

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// unsupported refuses what this version does not do, by the name of the field.
// A container that ran without would be something else than what was asked
// for.
func unsupported(s *specs.Spec) error {
	p := s.Process
	for _, f := range []struct {
		field string
		asked bool
	}{
		{"process.scheduler", p.Scheduler != nil},
		{"process.ioPriority", p.IOPriority != nil},
		{"process.execCPUAffinity", p.ExecCPUAffinity != nil},
		{"process.selinuxLabel", p.SelinuxLabel != ""},
		{"process.apparmorProfile", p.ApparmorProfile != "" && p.ApparmorProfile != "unconfined"},
	} {
		if f.asked {
			return fmt.Errorf("%s: not supported by this version", f.field)
		}
	}
	l := s.Linux
	if l == nil {
		return nil
	}
	for _, f := range []struct {
		field string
		asked bool
	}{
		{"linux.intelRdt", l.IntelRdt != nil},
		{"linux.personality", l.Personality != nil},
		{"linux.netDevices", len(l.NetDevices) > 0},
		{"linux.memoryPolicy", l.MemoryPolicy != nil},
	} {
		if f.asked {
			return fmt.Errorf("%s: not supported by this version", f.field)
		}
	}
	return nil
}
