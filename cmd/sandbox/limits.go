package main

import (
	"github.com/spf13/pflag"

	"sandbox/pkg/kernel"
	"sandbox/pkg/lifecycle"
	"sandbox/pkg/spec"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// limitFlags are those of run that limit the container, podman's.
type limitFlags struct {
	spec.Limits
	cgroups, parent string
}

func (l *limitFlags) add(f *pflag.FlagSet, w *spec.Wish) {
	common(f, &l.Limits)
	f.StringVarP(&l.Memory, "memory", "m", "", "most memory, `SIZE` such as 64m")
	f.StringVar(&l.CPUs, "cpus", "", "most processor time, `NUMBER` of processors such as 0.5")
	f.StringVarP(&l.CPUShares, "cpu-shares", "c", "", "share of processor time beside others, `N` (1024 is usual)")
	f.Var(each(&l.BlockIOWeightDevice), "blkio-weight-device", "share of a disk, `DEVICE:WEIGHT`")
	f.Var(each(&l.ReadBps), "device-read-bps", "most bytes a second from a disk, `DEVICE:SIZE`")
	f.Var(each(&l.WriteBps), "device-write-bps", "most bytes a second to a disk, `DEVICE:SIZE`")
	f.Var(each(&l.ReadIOPS), "device-read-iops", "most reads a second from a disk, `DEVICE:N`")
	f.Var(each(&l.WriteIOPS), "device-write-iops", "most writes a second to a disk, `DEVICE:N`")
	f.Var(each(&l.CgroupConf), "cgroup-conf", "any file of the cgroup, `FILE=VALUE` such as memory.high=1g")
	f.StringVar(&l.OOMScoreAdj, "oom-score-adj", "", "whom the out-of-memory killer takes first, `N` from -1000 to 1000")
	f.StringVar(&l.cgroups, "cgroups", "enabled", "`MODE` enabled, or disabled: stay in the caller's cgroup")
	f.StringVar(&w.Cgroupns, "cgroupns", "", "cgroup namespace: `MODE` private, host or ns:PATH")
	f.StringVar(&l.parent, "cgroup-parent", "", "where the cgroup is made: a `SLICE` of systemd's, or a path")
}

// common are the flags that run and update have alike.
func common(f *pflag.FlagSet, l *spec.Limits) {
	f.StringVar(&l.MemoryReservation, "memory-reservation", "", "memory that is not taken away for others, `SIZE`")
	f.StringVar(&l.MemorySwap, "memory-swap", "", "most memory and swap together, `SIZE`; -1 for no limit of swap")
	f.StringVar(&l.CPUQuota, "cpu-quota", "", "most processor time in a period, `MICROSECONDS`")
	f.StringVar(&l.CPUPeriod, "cpu-period", "", "that period, `MICROSECONDS`")
	f.StringVar(&l.CpusetCPUs, "cpuset-cpus", "", "processors to run on, `LIST` such as 0-3,8")
	f.StringVar(&l.CpusetMems, "cpuset-mems", "", "memory nodes to use, `LIST`")
	f.StringVar(&l.PidsLimit, "pids-limit", "", "most processes and threads, `N`; -1 for no limit")
	f.StringVar(&l.BlockIOWeight, "blkio-weight", "", "share of disks beside others, `N` from 10 to 1000")
}

// validLimits is about the value of --limits.
func validLimits(mode string, status int) error {
	switch mode {
	case "", lifecycle.Enforce, lifecycle.BestEffort:
		return nil
	}
	return &usageError{errUnknownMode("--limits", mode, "enforce or best-effort"), status}
}

// limit puts the limits into the spec, and asks for what they need.
func (l *limitFlags) limit(o *lifecycle.Options) error {
	if err := validLimits(o.Limits, 125); err != nil {
		return err
	}
	switch l.cgroups {
	case "enabled", "no-conmon":
	case "disabled":
		o.NoCgroup = true
	default:
		return &usageError{errUnknownMode("--cgroups", l.cgroups, "enabled or disabled"), 125}
	}
	if o.CgroupParent = l.parent; l.parent != "" {
		o.Require = append(o.Require, kernel.FeatCgroup) // that is where it is to be
	}
	s := o.Spec
	if s.Linux == nil {
		s.Linux = &specs.Linux{}
	}
	r := specs.LinuxResources{}
	if s.Linux.Resources != nil {
		r = *s.Linux.Resources
	}
	features, given, err := l.Add(&r)
	if err != nil {
		return err
	}
	if given {
		s.Linux.Resources = &r
		if o.Limits != lifecycle.BestEffort {
			o.Require = append(o.Require, features...)
		}
	}
	return spec.SetOOMScore(s.Process, l.OOMScoreAdj)
}
