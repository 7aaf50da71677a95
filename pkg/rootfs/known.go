package rootfs

import (
	"maps"
	"slices"
)

// MountOptions lists the options of mounts that this package understands, for
// the features document. Options of a filesystem of its own are not in it.
func MountOptions() []string {
	list := []string{"sync", "dirsync", "lazytime"} // the filesystem answers them
	list = slices.AppendSeq(list, maps.Keys(words))
	for name := range attributes {
		list = append(list, name, "r"+name)
	}
	list = slices.AppendSeq(list, maps.Keys(propagations))
	list = slices.AppendSeq(list, maps.Keys(dropped))
	list = slices.DeleteFunc(list, func(name string) bool { return name == "" })
	slices.Sort(list)
	return slices.Compact(list)
}
