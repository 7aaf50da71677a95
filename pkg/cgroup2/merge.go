package cgroup2

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Merge is old with what change says. A field that is nil, zero or empty says
// nothing, as for runc's update: Docker sends zeros for all it does not mean. Both
// stay as they are.
func Merge(old, change *specs.LinuxResources) *specs.LinuxResources {
	r := specs.LinuxResources{}
	if old != nil {
		r = *old
	}
	if change == nil {
		return &r
	}
	r.Memory = mergeMemory(r.Memory, change.Memory)
	r.CPU = mergeCPU(r.CPU, change.CPU)
	r.BlockIO = mergeBlockIO(r.BlockIO, change.BlockIO)
	if p := change.Pids; p != nil && p.Limit != nil && *p.Limit != 0 {
		r.Pids = p
	}
	r.HugepageLimits = mergeList(r.HugepageLimits, change.HugepageLimits, func(h specs.LinuxHugepageLimit) string { return h.Pagesize })
	r.Rdma = mergeMap(r.Rdma, change.Rdma)
	r.Unified = mergeMap(without(r.Unified, change), change.Unified)
	if Weighs(change) && !Idles(change) && Idles(&r) {
		wake(&r)
	}
	return &r
}

// Weighs says whether resources ask for a share of processor time beside others.
func Weighs(r *specs.LinuxResources) bool {
	return r.Unified["cpu.weight"] != "" || r.CPU != nil && r.CPU.Shares != nil && *r.CPU.Shares > 0
}

// Idles says whether they ask for what is left of it.
func Idles(r *specs.LinuxResources) bool {
	return strings.TrimSpace(r.Unified["cpu.idle"]) == "1" || r.CPU != nil && r.CPU.Idle != nil && *r.CPU.Idle == 1
}

// wake takes idleness away: who gives a share and says nothing of it means a group that has one.
func wake(r *specs.LinuxResources) {
	c := specs.LinuxCPU{}
	if r.CPU != nil {
		c = *r.CPU
	}
	c.Idle = new(int64(0))
	r.CPU, r.Unified = &c, maps.Clone(r.Unified)
	delete(r.Unified, "cpu.idle")
}

// without leaves those files out that a change speaks of by a field of its own:
// they are written last, and would undo it.
func without(files map[string]string, change *specs.LinuxResources) map[string]string {
	said := map[string]bool{}
	for _, part := range parts {
		writes, _ := part(change) // what is wrong with it shows where all is written
		for _, w := range writes {
			said[w.File] = true
		}
	}
	// Alone it is an error, and together with the old limit of memory it is not.
	if m := change.Memory; m != nil && m.Swap != nil && *m.Swap != 0 {
		said["memory.swap.max"] = true
	}
	left := maps.Clone(files)
	maps.DeleteFunc(left, func(file, _ string) bool { return said[file] })
	return left
}

// take sets a value where the change has one.
func take[T int64 | uint64 | uint16](to **T, change *T) {
	if change != nil && *change != 0 {
		*to = change
	}
}

func mergeMemory(old, change *specs.LinuxMemory) *specs.LinuxMemory {
	if change == nil {
		return old
	}
	m := specs.LinuxMemory{}
	if old != nil {
		m = *old
	}
	take(&m.Limit, change.Limit)
	take(&m.Reservation, change.Reservation)
	take(&m.Swap, change.Swap)
	// No limit of memory leaves none for the two together.
	if change.Limit != nil && *change.Limit == -1 && (change.Swap == nil || *change.Swap == 0) {
		m.Swap = nil
	}
	return &m
}

func mergeCPU(old, change *specs.LinuxCPU) *specs.LinuxCPU {
	if change == nil {
		return old
	}
	c := specs.LinuxCPU{}
	if old != nil {
		c = *old
	}
	take(&c.Shares, change.Shares)
	take(&c.Quota, change.Quota)
	take(&c.Period, change.Period)
	c.Burst = cmp.Or(change.Burst, c.Burst)
	c.Idle = cmp.Or(change.Idle, c.Idle)
	c.Cpus = cmp.Or(change.Cpus, c.Cpus)
	c.Mems = cmp.Or(change.Mems, c.Mems)
	return &c
}

func mergeBlockIO(old, change *specs.LinuxBlockIO) *specs.LinuxBlockIO {
	if change == nil {
		return old
	}
	b := specs.LinuxBlockIO{}
	if old != nil {
		b = *old
	}
	take(&b.Weight, change.Weight)
	b.WeightDevice = mergeList(b.WeightDevice, change.WeightDevice, func(d specs.LinuxWeightDevice) [2]int64 { return [2]int64{d.Major, d.Minor} })
	throttled := func(d specs.LinuxThrottleDevice) [2]int64 { return [2]int64{d.Major, d.Minor} }
	b.ThrottleReadBpsDevice = mergeList(b.ThrottleReadBpsDevice, change.ThrottleReadBpsDevice, throttled)
	b.ThrottleWriteBpsDevice = mergeList(b.ThrottleWriteBpsDevice, change.ThrottleWriteBpsDevice, throttled)
	b.ThrottleReadIOPSDevice = mergeList(b.ThrottleReadIOPSDevice, change.ThrottleReadIOPSDevice, throttled)
	b.ThrottleWriteIOPSDevice = mergeList(b.ThrottleWriteIOPSDevice, change.ThrottleWriteIOPSDevice, throttled)
	return &b
}

// mergeList replaces the entries about the same thing.
func mergeList[T any, K comparable](old, change []T, key func(T) K) []T {
	all := slices.Concat(old, change)
	last := make(map[K]int, len(all))
	for i, one := range all {
		if _, twice := last[key(one)]; i >= len(old) || !twice {
			last[key(one)] = i
		}
	}
	merged := all[:0]
	for i, one := range all {
		if at := last[key(one)]; at == i || at < len(old) {
			merged = append(merged, one)
		}
	}
	return merged
}

func mergeMap[V any](old, change map[string]V) map[string]V {
	if len(change) == 0 {
		return old
	}
	merged := maps.Clone(old)
	if merged == nil {
		merged = map[string]V{}
	}
	maps.Copy(merged, change)
	return merged
}
