package lifecycle

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/netdev"
	"sandbox/pkg/proc"
)

// gateDevices: the network namespace is there, and nothing in it yet. Only in
// plans that have devices to wait for.
const gateDevices = "devices"

// waitForDevices comes before the sysctls, some of which are a device's.
func (g *program) waitForDevices() {
	if g.Spec.Linux == nil || len(g.Spec.Linux.NetDevices) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(g.Spec.Linux.NetDevices))
	g.plan.Act("wait for the network devices %s", strings.Join(names, ", "))
	g.plan.Gate(gateDevices)
}

// moveDevices moves them, in the order of their names.
func moveDevices(devices map[string]specs.LinuxNetDevice, pid int) error {
	ns, err := os.Open(proc.Dir(pid) + "/ns/net")
	if err != nil {
		return fmt.Errorf("linux.netDevices: %w", err)
	}
	defer ns.Close()
	for _, name := range slices.Sorted(maps.Keys(devices)) {
		if err := netdev.Move(name, devices[name].Name, ns); err != nil {
			return fmt.Errorf("linux.netDevices[%q]: %w", name, err)
		}
	}
	return nil
}
