package lifecycle

import (
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/idmap"
	"sandbox/pkg/kernel"
	"sandbox/pkg/world"
)

// features are what the spec asks for, granted until something says otherwise.
func (g *program) features() kernel.Contract {
	var c kernel.Contract
	g.labels.grant(&c)
	for _, kind := range world.Kinds {
		if g.fresh(kind.Flag) {
			c.Grant(kind.Feature)
		}
	}
	if g.ownTree() {
		c.Grant(kernel.FeatMounts)
	}
	if g.filter.Filter != nil {
		c.Grant(kernel.FeatSeccomp)
	}
	if w := g.network; w.Granted() {
		c.Grant(kernel.FeatNetwork)
	}
	g.scopeOutcome(&c)
	for _, f := range []struct {
		name  string
		asked bool
	}{
		{kernel.FeatIDRange, g.manyIDs()},
		{kernel.FeatProcFresh, g.mounts("proc", "/proc")},
		{kernel.FeatSysfsFresh, g.mounts("sysfs", "/sys")},
		{kernel.FeatDevices, g.mounts("tmpfs", "/dev")},
		{kernel.FeatCow, g.mounts("overlay", "")},
		{kernel.FeatRlimits, len(g.Spec.Process.Rlimits) > 0},
		{kernel.FeatGroups, true},
		{kernel.FeatKeyring, !g.NoNewKeyring},
		{kernel.FeatTerminal, g.Spec.Process.Terminal},
		{kernel.FeatCaps, g.Spec.Process.Capabilities != nil},
		{kernel.FeatOOM, g.Spec.Process.OOMScoreAdj != nil},
	} {
		if f.asked {
			c.Grant(f.name)
		}
	}
	return c
}

// mounts says whether the spec mounts a file system of that kind at a place, "" for any.
func (g *program) mounts(kind, at string) bool {
	return slices.ContainsFunc(g.Spec.Mounts, func(m specs.Mount) bool { return m.Type == kind && (at == "" || filepath.Clean(m.Destination) == at) })
}

// manyIDs says whether there is more than one id in the container: those of its map, or all of ours where it has no user
// namespace of its own.
func (g *program) manyIDs() bool {
	if g.fresh(unix.CLONE_NEWUSER) {
		return mapsMany(g.world.IDs.UIDs)
	}
	return !g.userns() && g.run.Self.InitialUserns()
}

// mapsMany says whether more than one id is mapped.
func mapsMany(list []idmap.Extent) bool {
	return len(list) > 1 || len(list) == 1 && list[0].Size > 1
}
