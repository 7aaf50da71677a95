package kernel

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseList reads a list of CPUs or memory nodes in the kernel's own notation,
// "0-3,7", into a bit mask of 64-bit words. Numbers from limit on are refused:
// the kernel would drop them silently (sched_setaffinity(2)). White space and
// empty elements count for nothing, as with runc; an empty list is no mask.
func ParseList(text string, limit int) ([]uint64, error) {
	var mask []uint64
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		low, high, ranged := strings.Cut(part, "-")
		if !ranged {
			high = low
		}
		from, err := strconv.ParseUint(low, 10, 31)
		to, err2 := strconv.ParseUint(high, 10, 31)
		switch {
		case err != nil || err2 != nil:
			return nil, fmt.Errorf("%q is no number or range such as 0-3", part)
		case from > to:
			return nil, fmt.Errorf("%q ends before it begins", part)
		case int(to) >= limit:
			return nil, fmt.Errorf("%d is beyond the last one, %d", to, limit-1)
		}
		for n := from; n <= to; n++ {
			for len(mask) <= int(n/64) {
				mask = append(mask, 0)
			}
			mask[n/64] |= 1 << (n % 64)
		}
	}
	return mask, nil
}

// The most of each that any kernel is built for on x86 and arm64 (NR_CPUS,
// NODES_SHIFT).
const (
	MaxCPUs  = 8192
	MaxNodes = 1024
)
