package cgroup2

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Stats are what a group has used, in the shape of `runc events --stats`, which
// programs read. What no controller counts is zero and mostly left out. Sizes are
// in bytes, times in nanoseconds; no limit is the largest number.
type Stats struct {
	CPU               CPUStats               `json:"cpu"`
	CPUSet            CPUSetStats            `json:"cpuset"`
	Memory            MemoryStats            `json:"memory"`
	Pids              PidsStats              `json:"pids"`
	BlockIO           BlockIOStats           `json:"blkio"`
	Hugetlb           map[string]HugetlbStat `json:"hugetlb"`
	IntelRdt          struct{}               `json:"intel_rdt"`
	NetworkInterfaces []struct{}             `json:"network_interfaces"` // always null: packets are not the group's
}

// CPUStats are those of cpu.stat and cpu.pressure.
type CPUStats struct {
	Usage      CPUUsage   `json:"usage,omitzero"`
	Throttling Throttling `json:"throttling,omitzero"`
	PSI        *PSI       `json:"psi,omitempty"`
}

// CPUUsage is time on processors.
type CPUUsage struct {
	Total  uint64 `json:"total,omitempty"`
	Kernel uint64 `json:"kernel"`
	User   uint64 `json:"user"`
}

// Throttling is how often the quota was used up.
type Throttling struct {
	Periods          uint64 `json:"periods,omitempty"`
	ThrottledPeriods uint64 `json:"throttledPeriods,omitempty"`
	ThrottledTime    uint64 `json:"throttledTime,omitempty"`
}

// CPUSetStats has only what version 2 has of runc's fields.
type CPUSetStats struct {
	CPUs                  []uint16 `json:"cpus,omitempty"`
	CPUExclusive          uint64   `json:"cpu_exclusive"`
	Mems                  []uint16 `json:"mems,omitempty"`
	MemHardwall           uint64   `json:"mem_hardwall"`
	MemExclusive          uint64   `json:"mem_exclusive"`
	MemoryMigrate         uint64   `json:"memory_migrate"`
	MemorySpreadPage      uint64   `json:"memory_spread_page"`
	MemorySpreadSlab      uint64   `json:"memory_spread_slab"`
	MemoryPressure        uint64   `json:"memory_pressure"`
	SchedLoadBalance      uint64   `json:"sched_load_balance"`
	SchedRelaxDomainLevel int64    `json:"sched_relax_domain_level"`
}

// MemoryStats are those of memory.*; Swap is memory and swap together, as in
// version 1.
type MemoryStats struct {
	Cache     uint64            `json:"cache,omitempty"`
	Usage     MemoryEntry       `json:"usage,omitzero"`
	Swap      MemoryEntry       `json:"swap,omitzero"`
	Kernel    MemoryEntry       `json:"kernel,omitzero"`
	KernelTCP MemoryEntry       `json:"kernelTCP,omitzero"`
	Raw       map[string]uint64 `json:"raw,omitempty"` // memory.stat
	PSI       *PSI              `json:"psi,omitempty"`
}

// MemoryEntry is one kind of memory.
type MemoryEntry struct {
	Limit   uint64 `json:"limit"`
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"` // the most that was used at once (Linux 5.19)
	Failcnt uint64 `json:"failcnt"`       // how often the limit was reached
}

// PidsStats are those of pids.*; no limit is 0.
type PidsStats struct {
	Current uint64 `json:"current,omitempty"`
	Limit   uint64 `json:"limit,omitempty"`
}

// BlockIOStats are those of io.stat.
type BlockIOStats struct {
	Bytes []BlockIOEntry `json:"ioServiceBytesRecursive,omitempty"`
	IOs   []BlockIOEntry `json:"ioServicedRecursive,omitempty"`
	PSI   *PSI           `json:"psi,omitempty"`
}

// BlockIOEntry is one number of one device.
type BlockIOEntry struct {
	Major uint64 `json:"major,omitempty"`
	Minor uint64 `json:"minor,omitempty"`
	Op    string `json:"op,omitempty"`
	Value uint64 `json:"value,omitempty"`
}

// HugetlbStat is one size of huge pages.
type HugetlbStat struct {
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

// Stats reads them all.
func (g Group) Stats() (*Stats, error) {
	if !g.exists() {
		return nil, fmt.Errorf("cgroup %s: %w", g.Path, unix.ENOENT)
	}
	s := &Stats{Hugetlb: map[string]HugetlbStat{}}
	for _, read := range []func(*Stats) error{g.cpuStats, g.memoryStats, g.pidsStats, g.ioStats, g.hugetlbStats} {
		if err := read(s); err != nil {
			return nil, err
		}
	}
	s.CPUSet.CPUs, s.CPUSet.Mems = g.list("cpuset.cpus"), g.list("cpuset.mems")
	return s, nil
}

// text is a file's content; "" where there is none, for the controller is not
// there, or the kernel is older.
func (g Group) text(name string) (string, error) {
	b, err := readFile(g.file(name))
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENODEV) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// number is a file with one; "max" is the largest.
func (g Group) number(name string) (uint64, error) {
	text, err := g.text(name)
	if err != nil || text == "" {
		return 0, err
	}
	return parse(name, text)
}

func parse(name, text string) (uint64, error) {
	if text == "max" {
		return math.MaxUint64, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return n, nil
}

// table is a file of "KEY NUMBER" lines.
func (g Group) table(name string) (map[string]uint64, error) {
	text, err := g.text(name)
	if err != nil || text == "" {
		return nil, err
	}
	t := map[string]uint64{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if t[key], err = parse(name, value); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// list is a file of numbers and ranges.
func (g Group) list(name string) []uint16 {
	text, err := g.text(name)
	if err != nil || text == "" {
		return nil
	}
	var all []uint16
	for part := range strings.SplitSeq(text, ",") {
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 13)
		to, err2 := strconv.ParseUint(last, 10, 13)
		if err1 != nil || err2 != nil {
			return nil
		}
		for n := from; n <= to; n++ {
			all = append(all, uint16(n))
		}
	}
	return all
}

func (g Group) cpuStats(s *Stats) error {
	t, err := g.table("cpu.stat")
	if err != nil {
		return err
	}
	const us = 1000
	s.CPU.Usage = CPUUsage{Total: t["usage_usec"] * us, User: t["user_usec"] * us, Kernel: t["system_usec"] * us}
	s.CPU.Throttling = Throttling{t["nr_periods"], t["nr_throttled"], t["throttled_usec"] * us}
	s.CPU.PSI, err = g.pressure("cpu.pressure")
	return err
}

func (g Group) memoryStats(s *Stats) error {
	m, err := &s.Memory, error(nil)
	if m.Raw, err = g.table("memory.stat"); err != nil {
		return err
	}
	m.Cache = m.Raw["file"]
	if m.Usage, err = g.memoryEntry("memory"); err != nil {
		return err
	}
	if m.Swap, err = g.memoryEntry("memory.swap"); err != nil {
		return err
	}
	events, err := g.table("memory.events")
	if err != nil {
		return err
	}
	m.Usage.Failcnt = events["max"]
	// Swap alone is not what version 1 had, and its most is nobody's sum.
	m.Swap.Usage += m.Usage.Usage
	m.Swap.Max = 0
	if m.Swap.Limit != math.MaxUint64 {
		m.Swap.Limit += min(m.Usage.Limit, math.MaxUint64-m.Swap.Limit)
	}
	m.PSI, err = g.pressure("memory.pressure")
	return err
}

func (g Group) memoryEntry(name string) (e MemoryEntry, err error) {
	if e.Usage, err = g.number(name + ".current"); err != nil {
		return e, err
	}
	if e.Limit, err = g.number(name + ".max"); err != nil {
		return e, err
	}
	e.Max, err = g.number(name + ".peak")
	return e, err
}

func (g Group) pidsStats(s *Stats) (err error) {
	if s.Pids.Current, err = g.number("pids.current"); err != nil {
		return err
	}
	s.Pids.Limit, err = g.number("pids.max")
	if s.Pids.Limit == math.MaxUint64 {
		s.Pids.Limit = 0
	}
	return err
}

// ioCounters are the keys of io.stat that runc's events have.
var ioCounters = map[string]string{
	"rbytes": "Read", "wbytes": "Write", "dbytes": "Discard", "rios": "Read", "wios": "Write", "dios": "Discard",
}

// ioStats reads lines like "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6".
// A device without numbers has no line break behind it on some kernels: a number
// belongs to the last device before it.
func (g Group) ioStats(s *Stats) error {
	text, err := g.text("io.stat")
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		var e BlockIOEntry
		device := false
		for f := range strings.FieldsSeq(line) {
			key, value, number := strings.Cut(f, "=")
			if !number {
				e.Major, e.Minor, device = deviceNumber(f)
				continue
			}
			if e.Op = ioCounters[key]; e.Op == "" || !device {
				continue
			}
			if e.Value, err = parse("io.stat", value); err != nil {
				return err
			}
			if strings.HasSuffix(key, "bytes") {
				s.BlockIO.Bytes = append(s.BlockIO.Bytes, e)
			} else {
				s.BlockIO.IOs = append(s.BlockIO.IOs, e)
			}
		}
	}
	s.BlockIO.PSI, err = g.pressure("io.pressure")
	return err
}

func deviceNumber(text string) (major, minor uint64, ok bool) {
	first, second, _ := strings.Cut(text, ":")
	major, err1 := strconv.ParseUint(first, 10, 32)
	minor, err2 := strconv.ParseUint(second, 10, 32)
	return major, minor, err1 == nil && err2 == nil
}

func (g Group) hugetlbStats(s *Stats) error {
	// Not Glob: the name of a unit may have a backslash in it.
	entries, err := os.ReadDir(g.Dir())
	if err != nil && !Gone(err) {
		return err
	}
	for _, e := range entries {
		size, huge := strings.CutPrefix(e.Name(), "hugetlb.")
		size, current := strings.CutSuffix(size, ".current")
		if !huge || !current || strings.HasSuffix(size, ".rsvd") {
			continue
		}
		usage, err := g.number("hugetlb." + size + ".current")
		if err != nil {
			return err
		}
		events, err := g.table("hugetlb." + size + ".events")
		if err != nil {
			return err
		}
		s.Hugetlb[size] = HugetlbStat{Usage: usage, Failcnt: events["max"]}
	}
	return nil
}
