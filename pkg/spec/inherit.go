package spec

import "github.com/opencontainers/runtime-spec/specs-go"

// Inherit gives a process that was described on its own what it says nothing
// about and the container's process has, as runc does: an exec is not meant to
// be less confined.
func Inherit(p, from *specs.Process) {
	if p.Capabilities == nil {
		p.Capabilities = from.Capabilities
	}
	if len(p.Rlimits) == 0 {
		p.Rlimits = from.Rlimits
	}
	if p.User.Umask == nil {
		p.User.Umask = from.User.Umask
	}
	if p.SelinuxLabel == "" {
		p.SelinuxLabel = from.SelinuxLabel
	}
	if p.ApparmorProfile == "" {
		p.ApparmorProfile = from.ApparmorProfile
	}
	if p.Scheduler == nil {
		p.Scheduler = from.Scheduler
	}
	if p.IOPriority == nil {
		p.IOPriority = from.IOPriority
	}
	if p.ExecCPUAffinity == nil {
		p.ExecCPUAffinity = from.ExecCPUAffinity
	}
}
