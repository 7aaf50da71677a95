package cgroup2

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

const field = "linux.resources."

// parts of the resources, in the order in which they are written.
var parts = []func(*specs.LinuxResources) ([]Write, error){memory, cpu, cpuset, pids, blockIO, hugetlb, rdma, unified}

// Writes turns resources into what is to be written, in an order that the kernel
// takes. Nothing of the host is looked at. What version 1 had and version 2 has
// not is named by [Lost].
func Writes(r *specs.LinuxResources) ([]Write, error) {
	if r == nil {
		return nil, nil
	}
	var all []Write
	for _, part := range parts {
		writes, err := part(r)
		if err != nil {
			return nil, err
		}
		all = append(all, writes...)
	}
	// The weight of an idle group is fixed.
	if slices.ContainsFunc(all, func(w Write) bool { return w.File == "cpu.idle" && w.Value == "1" }) {
		all = slices.DeleteFunc(all, func(w Write) bool { return w.File == "cpu.weight" })
	}
	return all, nil
}

// Lost are the fields that are set and have no meaning in version 2. Those with a
// value that asks for nothing, as Docker writes them, are not.
func Lost(r *specs.LinuxResources) []string {
	var lost []string
	add := func(name string, set bool) {
		if set {
			lost = append(lost, field+name)
		}
	}
	if r == nil {
		return nil
	}
	if m := r.Memory; m != nil {
		add("memory.kernel", positive(m.Kernel)) //nolint:staticcheck // deprecated, and clients still set it
		add("memory.kernelTCP", positive(m.KernelTCP))
		add("memory.swappiness", m.Swappiness != nil)
		add("memory.disableOOMKiller", m.DisableOOMKiller != nil && *m.DisableOOMKiller)
	}
	if c := r.CPU; c != nil {
		add("cpu.realtimeRuntime", positive(c.RealtimeRuntime))
		add("cpu.realtimePeriod", c.RealtimePeriod != nil && *c.RealtimePeriod > 0)
	}
	if b := r.BlockIO; b != nil {
		add("blockIO.leafWeight", b.LeafWeight != nil && *b.LeafWeight > 0)
		for i, d := range b.WeightDevice {
			add(fmt.Sprintf("blockIO.weightDevice[%d].leafWeight", i), d.LeafWeight != nil && *d.LeafWeight > 0)
		}
	}
	if n := r.Network; n != nil {
		add("network.classID", n.ClassID != nil && *n.ClassID > 0)
		add("network.priorities", len(n.Priorities) > 0)
	}
	return lost
}

func positive(n *int64) bool { return n != nil && *n > 0 }

// limit is a number where -1 is no limit and 0 asks for nothing.
func limit(file, name string, n *int64) ([]Write, error) {
	switch {
	case n == nil || *n == 0:
		return nil, nil
	case *n == -1:
		return []Write{{File: file, Value: "max", Field: field + name}}, nil
	case *n < 0:
		return nil, fmt.Errorf("%s%s: %d is negative; -1 is no limit", field, name, *n)
	}
	return []Write{{File: file, Value: strconv.FormatInt(*n, 10), Field: field + name}}, nil
}

// memory: swap comes first, so that lowering both does not push everything out
// to swap in between.
func memory(r *specs.LinuxResources) ([]Write, error) {
	m := r.Memory
	if m == nil {
		return nil, nil
	}
	swap, err := swapMax(m)
	if err != nil {
		return nil, err
	}
	most, err := limit("memory.max", "memory.limit", m.Limit)
	if err != nil {
		return nil, err
	}
	low, err := limit("memory.low", "memory.reservation", m.Reservation)
	return slices.Concat(swap, most, low), err
}

// swapMax: the spec's limit is of memory and swap together, the kernel's of swap.
func swapMax(m *specs.LinuxMemory) ([]Write, error) {
	const name = "memory.swap"
	swap, most := m.Swap, m.Limit
	unlimited := most != nil && *most == -1
	switch {
	case (swap == nil || *swap == 0) && unlimited:
		return []Write{{File: "memory.swap.max", Value: "max", Field: field + name, Lenient: true}}, nil
	case swap == nil || *swap == 0:
		return nil, nil
	case *swap == -1:
		return []Write{{File: "memory.swap.max", Value: "max", Field: field + name, Lenient: true}}, nil
	case *swap < 0:
		return nil, fmt.Errorf("%s%s: %d is negative; -1 is no limit", field, name, *swap)
	case unlimited:
		return []Write{{File: "memory.swap.max", Value: strconv.FormatInt(*swap, 10), Field: field + name}}, nil
	case most == nil || *most == 0:
		return nil, fmt.Errorf("%s%s: it is the limit of memory and swap together, and there is none for memory", field, name)
	case *swap < *most:
		return nil, fmt.Errorf("%s%s: %d is less than the limit of memory alone, %d", field, name, *swap, *most)
	}
	// Where there is no swap (CONFIG_SWAP) there is nothing to forbid.
	none := *swap == *most
	return []Write{{File: "memory.swap.max", Value: strconv.FormatInt(*swap-*most, 10), Field: field + name, Lenient: none}}, nil
}

func cpu(r *specs.LinuxResources) ([]Write, error) {
	c := r.CPU
	if c == nil {
		return nil, nil
	}
	var w []Write
	if c.Idle != nil {
		if *c.Idle != 0 && *c.Idle != 1 {
			return nil, fmt.Errorf("%scpu.idle: %d: want 0 or 1", field, *c.Idle)
		}
		w = append(w, Write{File: "cpu.idle", Value: strconv.FormatInt(*c.Idle, 10), Field: field + "cpu.idle"})
	}
	if c.Shares != nil && *c.Shares > 0 {
		w = append(w, Write{File: "cpu.weight", Value: strconv.FormatUint(weight(*c.Shares), 10), Field: field + "cpu.shares"})
	}
	bandwidth, err := cpuBandwidth(c)
	return append(w, bandwidth...), err
}

// weight converts shares (2 to 262144, 1024 where nothing is said) to a weight (1
// to 10000, and 100): a curve through these three points, which runc uses since
// 1.4 and crun since 1.23 (kubernetes.io/blog, "new cgroup v1 to v2 CPU conversion").
func weight(shares uint64) uint64 {
	switch {
	case shares <= 2:
		return 1
	case shares >= 262144:
		return 10000
	}
	l := math.Log2(float64(shares))
	return uint64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34)))
}

// defaultPeriod is the kernel's, in microseconds.
const defaultPeriod = 100000

// Bounds of the kernel (tg_set_cfs_bandwidth in kernel/sched/core.c), in microseconds.
const minBandwidth, maxPeriod = 1000, 1000000

// checkBandwidth says also on a host that has no such controller what no kernel takes.
func checkBandwidth(c *specs.LinuxCPU) error {
	if q := c.Quota; q != nil && *q < -1 {
		return fmt.Errorf("%scpu.quota: %d is negative; -1 is no limit", field, *q)
	} else if q != nil && *q > 0 && *q < minBandwidth {
		return fmt.Errorf("%scpu.quota: %d: invalid argument: want at least %d microseconds", field, *q, minBandwidth)
	}
	if p := c.Period; p != nil && *p != 0 && (*p < minBandwidth || *p > maxPeriod) {
		return fmt.Errorf("%scpu.period: %d: invalid argument: want %d to %d microseconds", field, *p, minBandwidth, maxPeriod)
	}
	return nil
}

func cpuBandwidth(c *specs.LinuxCPU) ([]Write, error) {
	if err := checkBandwidth(c); err != nil {
		return nil, err
	}
	var w []Write
	quota, name := "", "cpu.quota"
	switch {
	case c.Quota != nil && *c.Quota > 0:
		quota = strconv.FormatInt(*c.Quota, 10)
	case c.Quota != nil && *c.Quota == -1:
		quota = "max"
	case c.Period != nil && *c.Period > 0:
		quota, name = "max", "cpu.period"
	}
	if quota != "" {
		period := uint64(defaultPeriod)
		if c.Period != nil && *c.Period > 0 {
			period = *c.Period
		}
		w = append(w, Write{File: "cpu.max", Value: quota + " " + strconv.FormatUint(period, 10), Field: field + name})
	}
	// The kernel takes no burst above the quota, and no quota below the burst: where
	// both change, a smaller burst has to be there before, a larger one comes after.
	if c.Burst != nil {
		burst := Write{File: "cpu.max.burst", Value: strconv.FormatUint(*c.Burst, 10), Field: field + "cpu.burst"}
		if len(w) > 0 {
			first := burst
			first.Lenient = true
			w = append([]Write{first}, w...)
		}
		w = append(w, burst)
	}
	return w, nil
}

func cpuset(r *specs.LinuxResources) ([]Write, error) {
	var w []Write
	if c := r.CPU; c != nil {
		for _, set := range []struct{ file, name, list string }{{"cpuset.cpus", "cpu.cpus", c.Cpus}, {"cpuset.mems", "cpu.mems", c.Mems}} {
			if set.list == "" {
				continue
			}
			if strings.Trim(set.list, "0123456789,- ") != "" {
				return nil, fmt.Errorf("%s%s: %q: want numbers and ranges, such as 0-3,8", field, set.name, set.list)
			}
			w = append(w, Write{File: set.file, Value: set.list, Field: field + set.name})
		}
	}
	return w, nil
}

func pids(r *specs.LinuxResources) ([]Write, error) {
	if r.Pids == nil {
		return nil, nil
	}
	return limit("pids.max", "pids.limit", r.Pids.Limit)
}

func hugetlb(r *specs.LinuxResources) ([]Write, error) {
	var w []Write
	for i, h := range r.HugepageLimits {
		name := fmt.Sprintf("%shugepageLimits[%d]", field, i)
		if h.Pagesize == "" || strings.ContainsAny(h.Pagesize, "/.\x00\n") {
			return nil, fmt.Errorf("%s.pageSize: %q: want a size such as 2MB", name, h.Pagesize)
		}
		value := strconv.FormatUint(h.Limit, 10)
		w = append(w, Write{File: "hugetlb." + h.Pagesize + ".max", Value: value, Field: name},
			// Reservations too, where the kernel counts them (Linux 5.7).
			Write{File: "hugetlb." + h.Pagesize + ".rsvd.max", Value: value, Field: name, Lenient: true})
	}
	return w, nil
}

func rdma(r *specs.LinuxResources) ([]Write, error) {
	var w []Write
	for _, device := range slices.Sorted(maps.Keys(r.Rdma)) {
		l, value := r.Rdma[device], device
		if strings.ContainsAny(device, " \n\x00") || device == "" {
			return nil, fmt.Errorf("%srdma: %q is no name of a device", field, device)
		}
		if l.HcaHandles != nil {
			value += fmt.Sprintf(" hca_handle=%d", *l.HcaHandles)
		}
		if l.HcaObjects != nil {
			value += fmt.Sprintf(" hca_object=%d", *l.HcaObjects)
		}
		if value == device {
			continue // the kernel refuses a line that sets nothing
		}
		w = append(w, Write{File: "rdma.max", Value: value, Field: field + "rdma." + device})
	}
	return w, nil
}

// unified are files by their names. Those that say who is in the group are not
// limits, and a container must not choose them.
func unified(r *specs.LinuxResources) ([]Write, error) {
	var w []Write
	for _, file := range slices.Sorted(maps.Keys(r.Unified)) {
		controller, rest, dot := strings.Cut(file, ".")
		switch {
		case !dot || controller == "" || rest == "" || strings.ContainsAny(file, "/\x00\n"):
			return nil, fmt.Errorf("%sunified: %q: want the name of a file, CONTROLLER.PARAMETER", field, file)
		case slices.Contains([]string{"cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "cgroup.type", "cgroup.kill", "cgroup.freeze"}, file):
			return nil, fmt.Errorf("%sunified: %q is no limit", field, file)
		}
		// The kernel takes one line in a write; io.max and others have several.
		for line := range strings.Lines(r.Unified[file]) {
			if line = strings.TrimSpace(line); line != "" {
				w = append(w, Write{File: file, Value: line, Field: field + "unified." + file})
			}
		}
	}
	return w, nil
}
