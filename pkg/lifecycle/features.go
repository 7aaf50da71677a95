package lifecycle

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/confine"
	"sandbox/pkg/kernel"
	"sandbox/pkg/rootfs"
	"sandbox/pkg/seccomp"
	"sandbox/pkg/spec"
	"sandbox/pkg/world"
)

// Features is what this program understands of a config.json, whatever the host
// has (features.md of the specification).
func Features() *features.Features {
	yes := func() *bool { t := true; return &t }
	var namespaces []string
	for _, kind := range world.Kinds {
		namespaces = append(namespaces, string(kind.Name))
	}
	return &features.Features{
		OCIVersionMin: "1.0.0", OCIVersionMax: specs.Version,
		Hooks:        []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"},
		MountOptions: rootfs.MountOptions(),
		Linux: &features.Linux{
			Namespaces: namespaces, Capabilities: kernel.Capabilities(),
			Cgroup: cgroupFeatures(), Seccomp: seccompFeatures(),
			Apparmor: &features.Apparmor{Enabled: yes()}, Selinux: &features.Selinux{Enabled: yes()},
			IntelRdt:        &features.IntelRdt{Enabled: yes(), Schemata: yes(), Monitoring: yes()},
			MemoryPolicy:    &features.MemoryPolicy{Modes: confine.MemoryPolicyModes(), Flags: confine.MemoryPolicyFlags()},
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: yes()}},
			NetDevices:      &features.NetDevices{Enabled: yes()},
		},
		Annotations:                        map[string]string{"org.opencontainers.runc.checkpoint.enabled": "false"},
		PotentiallyUnsafeConfigAnnotations: []string{spec.KeepGroups, cgroup2.PropertyPrefix},
	}
}

func seccompFeatures() *features.Seccomp {
	known, supported := seccomp.Flags()
	enabled := true
	return &features.Seccomp{
		Enabled: &enabled, Actions: seccomp.Actions(), Operators: seccomp.Operators(), Archs: seccomp.Architectures(),
		KnownFlags: known, SupportedFlags: supported,
	}
}

// cgroupFeatures is what pkg/cgroup2 does. Version 1 is never going to be.
func cgroupFeatures() *features.Cgroup {
	yes, no := true, false
	return &features.Cgroup{V1: &no, V2: &yes, Systemd: &yes, SystemdUser: &yes, Rdma: &yes}
}
