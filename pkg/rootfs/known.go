package rootfs

import (
	"maps"
	"slices"
)

// MountOptions lists the options of mounts that this package understands, for
// the features document. Options of a filesystem of its own are not in it.
func MountOptions() []string {
	list := []string{"bind", "rbind", "tmpcopyup"}
	for name := range attributes {
		list = append(list, name, "r"+name)
	}
	list = slices.AppendSeq(list, maps.Keys(propagations))
	list = slices.AppendSeq(list, maps.Keys(superFlags))
	list = slices.AppendSeq(list, maps.Keys(dropped))
	slices.Sort(list)
	return slices.Compact(list)
}
