package spec

import (
	"os"
	"strings"

	"sandbox/pkg/proc"
)

// hideKernel masks what a payload that was typed need not see of the kernel, and makes read-only what it need not
// change: all that podman (5.8), Docker (29) and runc (1.5) do, the stricter way where they differ. Their lists have
// grown faster than the one that `runc spec` writes down, which stays as it is for who edits that.
func (b *builder) hideKernel() {
	l := b.spec.Linux
	l.MaskedPaths, l.ReadonlyPaths = maskedPaths(), readonlyPaths()
	l.MaskedPaths = append(l.MaskedPaths,
		// How often each device interrupts tells of keys that are pressed and packets (GHSA-6fw5-f8r9-fgfm); the
		// power that is drawn tells of keys that are computed with (CVE-2020-8694, GHSA-jq35-85cj-fj4p).
		"/proc/interrupts", "/sys/devices/virtual/powercap",
		"/sys/dev/block", // podman's before 5.4: the host's disks
		"/sys/fs/selinux")
	l.MaskedPaths = append(l.MaskedPaths, b.thermals()...)
}

// cpus is the directory of all processors.
const cpus = "/sys/devices/system/cpu"

// thermals are the counters of each processor that is too hot, which tell what others compute. Only Intel's have
// them, and the first has them if any has.
func (b *builder) thermals() (paths []string) {
	const name = "/thermal_throttle"
	if b.kind(cpus+"/cpu0"+name) == 0 {
		return nil
	}
	dir, err := os.Open(b.onHost(cpus))
	if proc.Opened(err) != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, n := range names {
		if number, ok := strings.CutPrefix(n, "cpu"); ok && number != "" && strings.Trim(number, "0123456789") == "" {
			paths = append(paths, cpus+"/"+n+name)
		}
	}
	return paths
}
