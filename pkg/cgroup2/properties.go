package cgroup2

import (
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"
)

// propertiesFor are the writes that systemd knows by a name of its own
// (systemd.resource-control(5)). It is told of them so that it does not undo them
// when it writes its values again (daemon-reload).
func propertiesFor(writes []Write) []property {
	weighed := slices.ContainsFunc(writes, func(w Write) bool { return w.File == "cpu.weight" })
	var list []property
	for _, w := range writes {
		if w.File != "cpu.idle" || !weighed { // which is a weight too
			list = append(list, propertiesOf(w)...)
		}
	}
	return list
}

// newer splits off the properties that systemd refuses before version 252: CPUWeight with
// the value 0.
func newer(list []property) (older, newer []property) {
	for _, p := range list {
		if p.Name == "CPUWeight" && p.Value.Value() == uint64(0) {
			newer = append(newer, p)
		} else {
			older = append(older, p)
		}
	}
	return older, newer
}

// oomPolicy is memory.oom.group, which systemd hears of when the scope is made and
// not later (version 253).
func oomPolicy(writes []Write) []property {
	for _, w := range writes {
		switch {
		case w.File != "memory.oom.group":
		case w.Value == "1":
			return []property{{"OOMPolicy", dbus.MakeVariant("kill")}}
		default:
			return []property{{"OOMPolicy", dbus.MakeVariant("continue")}}
		}
	}
	return nil
}

var byteProperties = map[string]string{
	"memory.max": "MemoryMax", "memory.high": "MemoryHigh", "memory.low": "MemoryLow", "memory.min": "MemoryMin",
	"memory.swap.max": "MemorySwapMax", "pids.max": "TasksMax", "cpu.weight": "CPUWeight", "io.weight": "IOWeight",
}

func propertiesOf(w Write) []property {
	switch w.File {
	case "cpu.max":
		return cpuMax(w.Value)
	case "cpuset.cpus":
		return mask("AllowedCPUs", w.Value)
	case "cpuset.mems":
		return mask("AllowedMemoryNodes", w.Value)
	case "cpu.idle":
		// To systemd it is a weight, 0 (version 252); otherwise it would take it back.
		weight := uint64(100)
		if w.Value == "1" {
			weight = 0
		}
		return []property{{"CPUWeight", dbus.MakeVariant(weight)}}
	}
	name, known := byteProperties[w.File]
	if !known {
		return nil
	}
	value := uint64(math.MaxUint64)
	if w.Value != "max" {
		var ok bool
		if value, ok = amount(strings.TrimPrefix(w.Value, "default ")); !ok {
			return nil
		}
	}
	if w.File == "pids.max" {
		value = max(value, 1) // no process at all is nothing that systemd can say
	}
	return []property{{name, dbus.MakeVariant(value)}}
}

// amount reads a number as the kernel does, which takes 1g (lib/cmdline.c, memparse).
func amount(text string) (uint64, bool) {
	digits := strings.TrimRight(text, "kKmMgGtTpPeE")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || len(text) > len(digits)+1 {
		return 0, false
	}
	shift := 0
	if unit := text[len(digits):]; unit != "" {
		shift = 10 * (1 + strings.Index("kmgtpe", strings.ToLower(unit)))
	}
	return n << shift, n<<shift>>shift == n
}

// cpuMax is "QUOTA PERIOD" in microseconds; systemd takes the quota per second,
// and rounds it up to 10 ms.
func cpuMax(value string) []property {
	quota, period, _ := strings.Cut(value, " ")
	us, err := strconv.ParseUint(period, 10, 64)
	if err != nil || us == 0 {
		us = 100000
	}
	perSecond := uint64(math.MaxUint64)
	if quota != "max" {
		q, err := strconv.ParseUint(quota, 10, 64)
		if err != nil || q > math.MaxUint64/1000000 {
			return nil
		}
		perSecond = roundedUp(q, us)
	}
	return []property{{"CPUQuotaPeriodUSec", dbus.MakeVariant(us)}, {"CPUQuotaPerSecUSec", dbus.MakeVariant(perSecond)}}
}

// roundedUp is the quota of a period in microseconds of each second, as systemd rounds it.
func roundedUp(quota, period uint64) uint64 {
	const step = 10000
	return (quota*1000000/period + step - 1) / step * step
}

// Rounded are the writes as systemd makes them where it has the group: it writes cpu.max too, at each change of the unit, and
// both are to say the same.
func (p Placement) Rounded(writes []Write) []Write {
	if p.Unit == "" {
		return writes
	}
	rounded := slices.Clone(writes)
	for i, w := range rounded {
		quota, period, _ := strings.Cut(w.Value, " ")
		q, err1 := strconv.ParseUint(quota, 10, 64)
		us, err2 := strconv.ParseUint(period, 10, 64)
		if w.File == "cpu.max" && err1 == nil && err2 == nil && us > 0 && q <= math.MaxUint64/1000000 {
			rounded[i].Value = strconv.FormatUint(roundedUp(q, us)*us/1000000, 10) + " " + period
		}
	}
	return rounded
}

// mask is a list of numbers such as "0-3,8" as a bit mask, lowest byte first.
func mask(name, list string) []property {
	var bits []byte
	for n := range numbers(list) {
		for uint64(len(bits)) <= n/8 {
			bits = append(bits, 0)
		}
		bits[n/8] |= 1 << (n % 8)
	}
	if bits == nil {
		return nil // the kernel refuses it at the write
	}
	return []property{{name, dbus.MakeVariant(bits)}}
}

// numbers are those of a list such as "0-3,8", none of one that is none.
func numbers(list string) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
			first, last, ranged := strings.Cut(strings.TrimSpace(part), "-")
			if !ranged {
				last = first
			}
			from, err1 := strconv.ParseUint(first, 10, 13)
			to, err2 := strconv.ParseUint(last, 10, 13)
			if err1 != nil || err2 != nil {
				continue
			}
			for n := from; n <= to; n++ {
				if !yield(n) {
					return
				}
			}
		}
	}
}
