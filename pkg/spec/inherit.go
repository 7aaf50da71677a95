package spec

import (
	"cmp"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Inherit gives a process that was described on its own what it says nothing
// about and the container's process has, as runc does: an exec is not meant to
// be less confined.
func Inherit(p, from *specs.Process) {
	p.Capabilities = cmp.Or(p.Capabilities, from.Capabilities)
	if len(p.Rlimits) == 0 {
		p.Rlimits = from.Rlimits
	}
	p.User.Umask = cmp.Or(p.User.Umask, from.User.Umask)
	p.SelinuxLabel = cmp.Or(p.SelinuxLabel, from.SelinuxLabel)
	p.ApparmorProfile = cmp.Or(p.ApparmorProfile, from.ApparmorProfile)
	p.Scheduler = cmp.Or(p.Scheduler, from.Scheduler)
	p.IOPriority = cmp.Or(p.IOPriority, from.IOPriority)
	p.ExecCPUAffinity = cmp.Or(p.ExecCPUAffinity, from.ExecCPUAffinity)
}
