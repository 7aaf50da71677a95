package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// What podman 5.8 (with what 5.3 had besides), Docker 29 and containerd 2.2 mask and make read-only. Their patterns for
// each processor are in TestThermals.
const (
	othersMask = "/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug " +
		"/proc/scsi /proc/timer_list /proc/timer_stats /sys/dev/block /sys/devices/virtual/powercap /sys/firmware /sys/fs/selinux"
	othersReadonly = "/proc/asound /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger"
)

// TestMasks: whatever others hide from a container, a typed one does not see; as root on the host's tree too.
func TestMasks(t *testing.T) {
	asRoot, _, err := Wish{Tree: true, Args: []string{"true"}, hostRoot: fakeHost(t)}.Spec(Caller{Home: "/root", PasswdHome: "/root", Cwd: "/srv"}, IDs{})
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*specs.Spec{
		"rootfs":          specOf(t, Wish{Rootfs: "/img"}, rooted()),
		"rootfs, network": specOf(t, Wish{Rootfs: "/img", Network: "host"}, rooted()),
		"tree as root":    asRoot,
	} {
		for _, p := range strings.Fields(othersMask) {
			if !contains(s.Linux.MaskedPaths, p) {
				t.Errorf("%s: %s is not masked", name, p)
			}
		}
		for _, p := range strings.Fields(othersReadonly) {
			if !contains(s.Linux.ReadonlyPaths, p) && !contains(s.Linux.MaskedPaths, p) {
				t.Errorf("%s: %s is writable", name, p)
			}
		}
		// podman's, where /sys is the host's with all that is mounted there
		if hosts := contains(s.Linux.MaskedPaths, "/sys/kernel"); hosts != (name == "rootfs, network") {
			t.Errorf("%s: /sys/kernel is masked: %v", name, hosts)
		}
	}
	if d := Default(); len(d.Linux.MaskedPaths) != 10 || len(d.Linux.ReadonlyPaths) != 5 {
		t.Errorf("`sandbox spec` writes other lists than runc: %q, %q", d.Linux.MaskedPaths, d.Linux.ReadonlyPaths)
	}
}

// TestThermals: a host whose processors count how often they were too hot.
func TestThermals(t *testing.T) {
	host := t.TempDir()
	for _, dir := range []string{"cpu0/thermal_throttle", "cpu1/thermal_throttle", "cpu12/thermal_throttle", "cpufreq", "cpuidle"} {
		if err := os.MkdirAll(filepath.Join(host, cpus, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b := builder{spec: &specs.Spec{Linux: &specs.Linux{}}, wish: Wish{hostRoot: host}}
	b.hideKernel()
	for _, n := range []string{"cpu0", "cpu1", "cpu12"} {
		if p := cpus + "/" + n + "/thermal_throttle"; !contains(b.spec.Linux.MaskedPaths, p) {
			t.Errorf("%s is not masked: %q", p, b.spec.Linux.MaskedPaths)
		}
	}
	if n := len(b.spec.Linux.MaskedPaths); n != 14+3 {
		t.Errorf("%d paths are masked: %q", n, b.spec.Linux.MaskedPaths)
	}
	if got := (&builder{wish: Wish{hostRoot: t.TempDir()}}).thermals(); got != nil {
		t.Errorf("a host without: %q", got)
	}
}
