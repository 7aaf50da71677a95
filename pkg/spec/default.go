package spec

import (
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/outfile"
)

// defaultName is the hostname inside when nobody asked for another: never the host's own.
const defaultName = "sandbox"

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Default is the configuration `sandbox spec` writes: field by field what `runc spec` (1.1) writes, with
// our version and hostname, so that scripts which edit it keep working.
func Default() *specs.Spec {
	caps := []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	return &specs.Spec{
		Version:  specs.Version,
		Hostname: defaultName,
		Root:     &specs.Root{Path: "rootfs", Readonly: true},
		Process: &specs.Process{
			Terminal:        true,
			Args:            []string{"sh"},
			Env:             []string{defaultPath, "TERM=xterm"},
			Cwd:             "/",
			NoNewPrivileges: true,
			Capabilities:    &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
			Rlimits:         []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 1024, Soft: 1024}},
		},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			devMount(),
			ptsMount(true),
			shmMount(),
			mqueueMount(),
			sysMount(),
			cgroupMount(),
		},
		Linux: &specs.Linux{
			Resources: denyDevices(),
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace},
				{Type: specs.NetworkNamespace},
				{Type: specs.IPCNamespace},
				{Type: specs.UTSNamespace},
				{Type: specs.MountNamespace},
				{Type: specs.CgroupNamespace},
			},
			MaskedPaths:   maskedPaths(),
			ReadonlyPaths: readonlyPaths(),
		},
	}
}

// ForUser changes s into what `runc spec --rootless` writes: a container that the ordinary user with
// these host ids can start. A user namespace with one id, the network namespace given up and /sys bound
// from the host (mounting sysfs needs a network namespace of one's own), no gid 5 for terminals (it is
// not mapped), no device rules (there is no group they could be enforced in).
func ForUser(s *specs.Spec, uid, gid uint32) {
	kept := s.Linux.Namespaces[:0]
	for _, ns := range s.Linux.Namespaces {
		if ns.Type != specs.NetworkNamespace && ns.Type != specs.UserNamespace {
			kept = append(kept, ns)
		}
	}
	s.Linux.Namespaces = append(kept, specs.LinuxNamespace{Type: specs.UserNamespace})
	s.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: uid, Size: 1}}
	s.Linux.GIDMappings = []specs.LinuxIDMapping{{HostID: gid, Size: 1}}
	s.Linux.Resources = nil
	for i, m := range s.Mounts {
		switch m.Destination {
		case "/dev/pts":
			s.Mounts[i] = ptsMount(false)
		case "/sys":
			s.Mounts[i] = hostSys()
		}
	}
}

// Write puts s into a new file at path, as runc formats it. An existing file is never replaced: it may
// hold hours of editing.
func Write(s *specs.Spec, path string) error {
	data, err := indented(s)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	err = outfile.Create(path, data, 0o644)
	if os.IsExist(err) {
		return fmt.Errorf("%s exists: remove it first, or name another directory with --bundle: %w", path, unix.EEXIST)
	}
	return err
}

func devMount() specs.Mount {
	return specs.Mount{Destination: "/dev", Type: "tmpfs", Source: "tmpfs",
		Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}}
}

// ptsMount: gid 5 is tty on every distribution; devpts refuses ids that are not mapped (EINVAL).
func ptsMount(tty bool) specs.Mount {
	m := specs.Mount{Destination: "/dev/pts", Type: "devpts", Source: "devpts",
		Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}}
	if tty {
		m.Options = append(m.Options, "gid=5")
	}
	return m
}

func shmMount() specs.Mount {
	return specs.Mount{Destination: "/dev/shm", Type: "tmpfs", Source: "shm",
		Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}}
}

func mqueueMount() specs.Mount {
	return specs.Mount{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue",
		Options: []string{"nosuid", "noexec", "nodev"}}
}

func sysMount() specs.Mount {
	return specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs",
		Options: []string{"nosuid", "noexec", "nodev", "ro"}}
}

func hostSys() specs.Mount {
	return specs.Mount{Destination: "/sys", Type: "none", Source: "/sys",
		Options: []string{"rbind", "nosuid", "noexec", "nodev", "ro"}}
}

func denyDevices() *specs.LinuxResources {
	return &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}}
}

// maskedPaths and readonlyPaths are runc's, for `sandbox spec`.
func maskedPaths() []string {
	return []string{
		"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
	}
}

func readonlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}
