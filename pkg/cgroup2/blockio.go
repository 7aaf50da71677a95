package cgroup2

import (
	"fmt"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// blockIO: BFQ has the range of version 1 (10 to 1000), io.weight another, and a
// host has one of them, or both.
func blockIO(r *specs.LinuxResources) ([]Write, error) {
	b := r.BlockIO
	if b == nil {
		return nil, nil
	}
	var w []Write
	if b.Weight != nil && *b.Weight > 0 {
		if *b.Weight < 10 || *b.Weight > 1000 {
			return nil, fmt.Errorf("%sblockIO.weight: %d: want 10 to 1000", field, *b.Weight)
		}
		w = append(w, Write{File: "io.bfq.weight", Value: strconv.Itoa(int(*b.Weight)), Field: field + "blockIO.weight", Lenient: true},
			Write{File: "io.weight", Value: "default " + strconv.Itoa(ioWeight(int(*b.Weight))), Field: field + "blockIO.weight", Instead: "io.bfq.weight"})
	}
	for i, d := range b.WeightDevice {
		if d.Weight == nil || *d.Weight == 0 {
			continue
		}
		name := fmt.Sprintf("%sblockIO.weightDevice[%d]", field, i)
		if *d.Weight < 10 || *d.Weight > 1000 {
			return nil, fmt.Errorf("%s.weight: %d: want 10 to 1000", name, *d.Weight)
		}
		disk := fmt.Sprintf("%d:%d ", d.Major, d.Minor)
		w = append(w, Write{File: "io.bfq.weight", Value: disk + strconv.Itoa(int(*d.Weight)), Field: name, Lenient: true},
			Write{File: "io.weight", Value: disk + strconv.Itoa(ioWeight(int(*d.Weight))), Field: name, Instead: "io.bfq.weight"})
	}
	for _, t := range []struct {
		key, name string
		devices   []specs.LinuxThrottleDevice
	}{
		{"rbps", "throttleReadBpsDevice", b.ThrottleReadBpsDevice}, {"wbps", "throttleWriteBpsDevice", b.ThrottleWriteBpsDevice},
		{"riops", "throttleReadIOPSDevice", b.ThrottleReadIOPSDevice}, {"wiops", "throttleWriteIOPSDevice", b.ThrottleWriteIOPSDevice},
	} {
		for i, d := range t.devices {
			rate := "max" // 0 takes a limit away, as in version 1
			if d.Rate > 0 {
				rate = strconv.FormatUint(d.Rate, 10)
			}
			w = append(w, Write{File: "io.max", Value: fmt.Sprintf("%d:%d %s=%s", d.Major, d.Minor, t.key, rate), Field: fmt.Sprintf("%sblockIO.%s[%d]", field, t.name, i)})
		}
	}
	return w, nil
}

// ioWeight converts 10 to 1000 to 1 to 10000, linearly, as runc and crun do.
func ioWeight(v1 int) int { return 1 + (v1-10)*9999/990 }
