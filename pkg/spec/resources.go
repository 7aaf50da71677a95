package spec

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
)

// Limits are the flags that limit a container, as typed; "" is "not given". Names,
// units and meaning are podman's, and runc's for update.
type Limits struct {
	Memory, MemoryReservation, MemorySwap        string
	CPUs, CPUShares, CPUQuota, CPUPeriod         string
	CPUBurst, CPUIdle                            string
	CpusetCPUs, CpusetMems                       string
	PidsLimit                                    string
	BlockIOWeight                                string
	BlockIOWeightDevice                          []string // PATH:WEIGHT
	ReadBps, WriteBps, ReadIOPS, WriteIOPS       []string // PATH:RATE
	CgroupConf                                   []string // FILE=VALUE
	KernelMemory, KernelMemoryTCP                string   // of version 1
	RealtimePeriod, RealtimeRuntime, OOMScoreAdj string
}

// Add puts the limits into resources, where they replace what is there; given
// says whether there are any. The features are those that the container must have
// for them to hold.
func (l *Limits) Add(r *specs.LinuxResources) (features []string, given bool, err error) {
	b := &limiter{limits: l, r: r}
	for _, part := range []func() error{b.memory, b.cpu, b.cpuset, b.pids, b.blockIO, b.conf} {
		if err := part(); err != nil {
			return nil, false, err
		}
	}
	return b.features, b.given, nil
}

// limiter is one Add under way.
type limiter struct {
	limits   *Limits
	r        *specs.LinuxResources
	features []string
	given    bool
}

func (b *limiter) need(feature string) {
	b.given = true
	for _, f := range b.features {
		if f == feature {
			return
		}
	}
	b.features = append(b.features, feature)
}

// needIf leaves out what limits nothing: -1 takes a limit away, 0 asks for none.
func (b *limiter) needIf(limits bool, feature string) {
	b.given = true
	if limits {
		b.need(feature)
	}
}

func (b *limiter) memory() error {
	for _, f := range []struct {
		flag, text string
		to         func(*specs.LinuxMemory) **int64
	}{
		{"--memory", b.limits.Memory, func(m *specs.LinuxMemory) **int64 { return &m.Limit }},
		{"--memory-reservation", b.limits.MemoryReservation, func(m *specs.LinuxMemory) **int64 { return &m.Reservation }},
		{"--memory-swap", b.limits.MemorySwap, func(m *specs.LinuxMemory) **int64 { return &m.Swap }},
		{"--kernel-memory", b.limits.KernelMemory, func(m *specs.LinuxMemory) **int64 { return &m.Kernel }}, //nolint:staticcheck // runc's flag; it is told to be without effect
		{"--kernel-memory-tcp", b.limits.KernelMemoryTCP, func(m *specs.LinuxMemory) **int64 { return &m.KernelTCP }},
	} {
		if f.text == "" {
			continue
		}
		n, err := Size(f.text)
		if err != nil {
			return fmt.Errorf("%s: %w", f.flag, err)
		}
		b.r.Memory = cmp.Or(b.r.Memory, &specs.LinuxMemory{})
		*f.to(b.r.Memory) = &n
		b.needIf(n > 0, kernel.FeatCgroupMemory)
	}
	return nil
}

// Size reads a number of bytes: 64m, 1.5g, 512kb, 1024; -1 is no limit. Units are
// powers of 1024, as podman and Docker have them.
func Size(text string) (int64, error) {
	if text == "-1" {
		return -1, nil
	}
	bad := fmt.Errorf("%q is no size: want a number with b, k, m, g or t, such as 64m, or -1 for no limit", text)
	digits := strings.TrimRight(strings.ToLower(text), "bikmgtpe")
	unit := strings.ToLower(text[len(digits):])
	if strings.Trim(digits, "0123456789.") != "" || digits == "" {
		return 0, bad
	}
	scale := 1.0
	switch unit {
	case "", "b":
	default:
		shift := strings.Index("kmgtpe", unit[:1])
		if shift < 0 || unit[1:] != "" && unit[1:] != "b" && unit[1:] != "ib" {
			return 0, bad
		}
		scale = math.Pow(1024, float64(shift+1))
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil || f < 0 {
		return 0, bad
	}
	if f*scale >= 1<<63 {
		return 0, fmt.Errorf("%q is more than any memory", text)
	}
	return int64(f * scale), nil
}

// integer reads a flag's number within bounds.
func integer(flag, text string, low, high int64) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%s %q: want a whole number from %d to %d", flag, text, low, high)
	}
	return n, nil
}

func (b *limiter) cpu() error {
	l := b.limits
	if l.CPUs != "" && (l.CPUQuota != "" || l.CPUPeriod != "") {
		return fmt.Errorf("--cpus: it is a quota and a period already, without --cpu-quota and --cpu-period")
	}
	if b.r.CPU == nil {
		b.r.CPU = &specs.LinuxCPU{}
	}
	c := b.r.CPU
	if l.CPUs != "" {
		f, err := strconv.ParseFloat(l.CPUs, 64)
		const period = 100000
		if err != nil || !(f >= 0.01) || f > 1<<20 {
			return fmt.Errorf("--cpus %q: want a number of processors, such as 0.5, of at least 0.01", l.CPUs)
		}
		quota := int64(math.Round(f * period))
		c.Quota, c.Period = &quota, ptr(uint64(period))
		b.need(kernel.FeatCgroupCPU)
	}
	signed := func(flag, text string, low int64, to **int64) error {
		if text == "" {
			return nil
		}
		n, err := integer(flag, text, low, math.MaxInt64)
		*to = &n
		b.needIf(n > 0, kernel.FeatCgroupCPU)
		return err
	}
	unsigned := func(flag, text string, to **uint64) error {
		var n *int64
		if err := signed(flag, text, 0, &n); err != nil || n == nil {
			return err
		}
		*to = ptr(uint64(*n))
		return nil
	}
	for _, err := range []error{
		unsigned("--cpu-shares", l.CPUShares, &c.Shares), signed("--cpu-quota", l.CPUQuota, -1, &c.Quota),
		unsigned("--cpu-period", l.CPUPeriod, &c.Period), unsigned("--cpu-burst", l.CPUBurst, &c.Burst),
		signed("--cpu-idle", l.CPUIdle, 0, &c.Idle),
		unsigned("--cpu-rt-period", l.RealtimePeriod, &c.RealtimePeriod), signed("--cpu-rt-runtime", l.RealtimeRuntime, -1, &c.RealtimeRuntime),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func ptr[T any](v T) *T { return &v }

func (b *limiter) cpuset() error {
	for _, f := range []struct{ flag, text string }{{"--cpuset-cpus", b.limits.CpusetCPUs}, {"--cpuset-mems", b.limits.CpusetMems}} {
		if f.text == "" {
			continue
		}
		if _, err := kernel.ParseList(f.text, 1<<13); err != nil {
			return fmt.Errorf("%s: %w", f.flag, err)
		}
		b.need(kernel.FeatCgroupCpuset)
	}
	if b.limits.CpusetCPUs != "" {
		b.r.CPU.Cpus = b.limits.CpusetCPUs
	}
	if b.limits.CpusetMems != "" {
		b.r.CPU.Mems = b.limits.CpusetMems
	}
	return nil
}

func (b *limiter) pids() error {
	if b.limits.PidsLimit == "" {
		return nil
	}
	n, err := integer("--pids-limit", b.limits.PidsLimit, -1, 1<<22)
	if err != nil {
		return err
	}
	if n == 0 {
		n = -1 // podman's and Docker's
	}
	b.r.Pids = &specs.LinuxPids{Limit: &n}
	b.needIf(n > 0, kernel.FeatCgroupPids)
	return nil
}

func (b *limiter) blockIO() error {
	l := b.limits
	if b.r.BlockIO == nil {
		b.r.BlockIO = &specs.LinuxBlockIO{}
	}
	if l.BlockIOWeight != "" {
		n, err := integer("--blkio-weight", l.BlockIOWeight, 10, 1000)
		if err != nil {
			return err
		}
		b.r.BlockIO.Weight = ptr(uint16(n))
		b.need(kernel.FeatCgroupIO)
	}
	for _, text := range l.BlockIOWeightDevice {
		device, value, err := blockDevice("--blkio-weight-device", text)
		if err != nil {
			return err
		}
		n, err := integer("--blkio-weight-device", value, 10, 1000)
		if err != nil {
			return err
		}
		b.r.BlockIO.WeightDevice = append(b.r.BlockIO.WeightDevice, specs.LinuxWeightDevice{LinuxBlockIODevice: device, Weight: ptr(uint16(n))})
		b.need(kernel.FeatCgroupIO)
	}
	for _, f := range []struct {
		flag  string
		texts []string
		to    *[]specs.LinuxThrottleDevice
		bytes bool
	}{
		{"--device-read-bps", l.ReadBps, &b.r.BlockIO.ThrottleReadBpsDevice, true}, {"--device-write-bps", l.WriteBps, &b.r.BlockIO.ThrottleWriteBpsDevice, true},
		{"--device-read-iops", l.ReadIOPS, &b.r.BlockIO.ThrottleReadIOPSDevice, false}, {"--device-write-iops", l.WriteIOPS, &b.r.BlockIO.ThrottleWriteIOPSDevice, false},
	} {
		for _, text := range f.texts {
			device, value, err := blockDevice(f.flag, text)
			if err != nil {
				return err
			}
			n, err := rate(f.flag, value, f.bytes)
			if err != nil {
				return err
			}
			*f.to = append(*f.to, specs.LinuxThrottleDevice{LinuxBlockIODevice: device, Rate: uint64(n)})
			b.need(kernel.FeatCgroupIO)
		}
	}
	return nil
}

func rate(flag, text string, bytes bool) (int64, error) {
	if !bytes {
		return integer(flag, text, 1, math.MaxInt64)
	}
	n, err := Size(text)
	if err == nil && n < 1 {
		err = fmt.Errorf("%q: want at least one byte a second", text)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", flag, err)
	}
	return n, nil
}

// blockDevice splits PATH:VALUE and looks at what the path is: limits of I/O go by the
// numbers of a disk.
func blockDevice(flag, text string) (d specs.LinuxBlockIODevice, value string, err error) {
	i := strings.LastIndexByte(text, ':')
	if i <= 0 {
		return d, "", fmt.Errorf("%s %q: want DEVICE:VALUE, such as /dev/sda:1mb", flag, text)
	}
	var st unix.Stat_t
	if err := unix.Stat(text[:i], &st); err != nil {
		return d, "", fmt.Errorf("%s: %s: %w", flag, text[:i], err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return d, "", fmt.Errorf("%s: %s is no block device", flag, text[:i])
	}
	d.Major, d.Minor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	return d, text[i+1:], nil
}

func (b *limiter) conf() error {
	for _, text := range b.limits.CgroupConf {
		file, value, ok := strings.Cut(text, "=")
		controller, _, dot := strings.Cut(file, ".")
		if !ok || !dot {
			return fmt.Errorf("--cgroup-conf %q: want FILE=VALUE, such as memory.high=100000000", text)
		}
		if b.r.Unified == nil {
			b.r.Unified = map[string]string{}
		}
		b.r.Unified[file] = value
		switch controller {
		case "memory":
			b.need(kernel.FeatCgroupMemory)
		case "cpu":
			b.need(kernel.FeatCgroupCPU)
		case "pids":
			b.need(kernel.FeatCgroupPids)
		case "cpuset":
			b.need(kernel.FeatCgroupCpuset)
		case "io":
			b.need(kernel.FeatCgroupIO)
		default:
			b.need(kernel.FeatCgroup)
		}
	}
	return nil
}

// SetOOMScore sets what --oom-score-adj says; "" says nothing.
func SetOOMScore(p *specs.Process, text string) error {
	if text == "" {
		return nil
	}
	n, err := integer("--oom-score-adj", text, -1000, 1000)
	if err != nil {
		return err
	}
	p.OOMScoreAdj = ptr(int(n))
	return nil
}
