package lifecycle

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/netdev"
	"sandbox/pkg/plan"
	"sandbox/pkg/proc"
)

// gateDevices: the network namespace is there, and nothing in it yet. Only in
// plans that have devices to wait for.
const gateDevices = "devices"

// loopback brings lo up in a new network, as every runtime does. A host without
// AF_INET, or an outer sandbox that keeps CAP_NET_ADMIN, has none.
func (g *program) loopback() {
	if !g.fresh(unix.CLONE_NEWNET) {
		return
	}
	p := g.plan
	none := p.Label("no loopback")
	p.Act("bring the loopback device up")
	sock := p.Do("socket", unix.SYS_SOCKET, plan.C(unix.AF_INET), plan.C(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), plan.C(0)).
		On(plan.AnyErrno, none).To("socket")
	request := make([]byte, 40) // struct ifreq, netdevice(7)
	copy(request, "lo")
	binary.NativeEndian.PutUint16(request[unix.IFNAMSIZ:], unix.IFF_UP|unix.IFF_RUNNING)
	p.Ioctl("SIOCSIFFLAGS", sock, unix.SIOCSIFFLAGS, plan.M(plan.Bytes(request))).Ignore(unix.EPERM)
	p.Close(sock)
	p.Here(none)
}

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
