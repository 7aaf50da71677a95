package confine

import (
	"encoding/binary"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// Tuning is what a process gets from the kernel's schedulers and its memory
// policy: fields of the process and of its container that have no privilege of
// their own, or one that a user namespace does not give. All of it outlives the
// exec, and every field that is nil leaves what the caller has.
type Tuning struct {
	Scheduler    *specs.Scheduler
	IOPriority   *specs.LinuxIOPriority
	CPUs         string // of an exec: process.execCPUAffinity.final
	Personality  *specs.LinuxPersonality
	MemoryPolicy *specs.LinuxMemoryPolicy
}

// Tune appends the steps. They come after the rlimits, which decide about
// real-time priorities and negative nice values where CAP_SYS_NICE is missing,
// and before that capability is dropped.
func Tune(p *plan.Plan, t Tuning) error {
	if t.Scheduler != nil {
		schedule(p, t.Scheduler)
	}
	if t.IOPriority != nil {
		ioPriority(p, t.IOPriority)
	}
	if err := Affinity(p, "process.execCPUAffinity.final", t.CPUs); err != nil {
		return err
	}
	if t.MemoryPolicy != nil {
		if err := memoryPolicy(p, t.MemoryPolicy); err != nil {
			return err
		}
	}
	if t.Personality != nil {
		personality(p, t.Personality)
	}
	return nil
}

func personality(p *plan.Plan, l *specs.LinuxPersonality) {
	domain := 0 // PER_LINUX (include/uapi/linux/personality.h)
	if l.Domain == specs.PerLinux32 {
		domain = 8
	}
	p.Act("set linux.personality %s", l.Domain)
	p.Do("personality", unix.SYS_PERSONALITY, plan.C(domain))
}

// Plain is t without what can take CAP_SYS_NICE of the initial user namespace.
func (t Tuning) Plain() Tuning {
	t.Scheduler, t.IOPriority = nil, nil
	return t
}

// Rest is what Plain leaves out.
func (t Tuning) Rest() Tuning { return Tuning{Scheduler: t.Scheduler, IOPriority: t.IOPriority} }

// TuneOf sets [Tuning.Rest] for a process that may not have the right to,
// done by one that has it. A fork would not do: it is refused to a process with deadlines
// (SCHED_DEADLINE), and gives up what is to be reset by it (sched(7)).
func TuneOf(pid int, t Tuning) error {
	if s := t.Scheduler; s != nil {
		attr := unix.SchedAttr{
			Size: unix.SizeofSchedAttr, Policy: policy(s.Policy), Flags: schedulerFlags(s), Nice: s.Nice, Priority: uint32(s.Priority),
			Runtime: s.Runtime, Deadline: s.Deadline, Period: s.Period,
		}
		if err := unix.SchedSetAttr(pid, &attr, 0); err != nil {
			return fmt.Errorf("set process.scheduler %s: %w", s.Policy, err)
		}
	}
	if io := t.IOPriority; io != nil {
		const whoProcess = 1 // include/uapi/linux/ioprio.h
		if _, _, errno := unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, uintptr(pid), uintptr(priority(io))); errno != 0 {
			return fmt.Errorf("set process.ioPriority %s %d: %w", io.Class, io.Priority, errno)
		}
	}
	return nil
}

// policy is one by their number in include/uapi/linux/sched.h. SCHED_ISO is
// reserved there and has never been implemented.
func policy(name specs.LinuxSchedulerPolicy) uint32 {
	switch name {
	case specs.SchedFIFO:
		return unix.SCHED_FIFO
	case specs.SchedRR:
		return unix.SCHED_RR
	case specs.SchedBatch:
		return unix.SCHED_BATCH
	case specs.SchedIdle:
		return unix.SCHED_IDLE
	case specs.SchedDeadline:
		return unix.SCHED_DEADLINE
	}
	return unix.SCHED_NORMAL
}

func schedulerFlag(name specs.LinuxSchedulerFlag) uint64 {
	switch name {
	case specs.SchedFlagResetOnFork:
		return unix.SCHED_FLAG_RESET_ON_FORK
	case specs.SchedFlagReclaim:
		return unix.SCHED_FLAG_RECLAIM
	case specs.SchedFlagDLOverrun:
		return unix.SCHED_FLAG_DL_OVERRUN
	case specs.SchedFlagKeepPolicy:
		return unix.SCHED_FLAG_KEEP_POLICY
	case specs.SchedFlagKeepParams:
		return unix.SCHED_FLAG_KEEP_PARAMS
	case specs.SchedFlagUtilClampMin:
		return unix.SCHED_FLAG_UTIL_CLAMP_MIN
	case specs.SchedFlagUtilClampMax:
		return unix.SCHED_FLAG_UTIL_CLAMP_MAX
	}
	return 0
}

func schedulerFlags(s *specs.Scheduler) (flags uint64) {
	for _, f := range s.Flags {
		flags |= schedulerFlag(f)
	}
	return flags
}

// schedule fills struct sched_attr of sched_setattr(2), whose utilisation
// clamps the specification has flags for and no values.
func schedule(p *plan.Plan, s *specs.Scheduler) {
	flags := schedulerFlags(s)
	attr := plan.Longs(0, flags, 0, s.Runtime, s.Deadline, s.Period, 0).Show(func() string {
		return fmt.Sprintf("{%s, flags %#x, nice %d, priority %d, runtime %d, deadline %d, period %d}",
			s.Policy, flags, s.Nice, s.Priority, s.Runtime, s.Deadline, s.Period)
	})
	word := binary.NativeEndian.PutUint32
	word(attr.Data[0:], uint32(len(attr.Data)))
	word(attr.Data[4:], policy(s.Policy))
	word(attr.Data[16:], uint32(s.Nice))
	word(attr.Data[20:], uint32(s.Priority))
	p.Act("set process.scheduler %s", s.Policy)
	p.Do("sched_setattr", unix.SYS_SCHED_SETATTR, plan.C(0), plan.M(attr), plan.C(0))
}

// ioPriority sets it for the whole process group, as the specification has it:
// the payload has just begun one of its own.
func ioPriority(p *plan.Plan, io *specs.LinuxIOPriority) {
	const whoPgrp = 2 // include/uapi/linux/ioprio.h
	p.Act("set process.ioPriority %s %d", io.Class, io.Priority)
	p.Do("ioprio_set", unix.SYS_IOPRIO_SET, plan.C(whoPgrp), plan.C(0), plan.C(priority(io)))
}

// priority is the kernel's word for it.
func priority(io *specs.LinuxIOPriority) int {
	const classShift = 13 // include/uapi/linux/ioprio.h
	class := map[specs.IOPriorityClass]int{specs.IOPRIO_CLASS_RT: 1, specs.IOPRIO_CLASS_BE: 2, specs.IOPRIO_CLASS_IDLE: 3}[io.Class]
	return class<<classShift | io.Priority
}

// Affinity binds the process to a list of CPUs; the field is for the error. An
// empty list changes nothing.
func Affinity(p *plan.Plan, field, list string) error {
	mask, err := kernel.ParseList(list, kernel.MaxCPUs)
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	if len(mask) == 0 {
		return nil
	}
	p.Act("set %s %s", field, list)
	cpus := plan.Longs(mask...).Show(func() string { return fmt.Sprintf("{cpus %s}", list) })
	p.Do("sched_setaffinity", unix.SYS_SCHED_SETAFFINITY, plan.C(0), plan.C(len(cpus.Data)), plan.M(cpus))
	return nil
}

// memoryPolicy is set_mempolicy(2). The kernel reads one bit less than it is
// told (get_nodes in mm/mempolicy.c).
func memoryPolicy(p *plan.Plan, m *specs.LinuxMemoryPolicy) error {
	mask, err := kernel.ParseList(m.Nodes, kernel.MaxNodes)
	if err != nil {
		return fmt.Errorf("linux.memoryPolicy.nodes: %w", err)
	}
	mode := slot(m.Mode)
	for _, f := range m.Flags {
		mode |= map[specs.MemoryPolicyFlagType]int{
			specs.MpolFStaticNodes: 1 << 15, specs.MpolFRelativeNodes: 1 << 14, specs.MpolFNumaBalancing: 1 << 13,
		}[f]
	}
	p.Act("set linux.memoryPolicy %s %s", m.Mode, m.Nodes)
	if len(mask) == 0 {
		p.Do("set_mempolicy", unix.SYS_SET_MEMPOLICY, plan.C(mode), plan.C(0), plan.C(0))
		return nil
	}
	nodes := plan.Longs(mask...).Show(func() string { return fmt.Sprintf("{nodes %s}", m.Nodes) })
	p.Do("set_mempolicy", unix.SYS_SET_MEMPOLICY, plan.C(mode), plan.M(nodes), plan.C(8*len(nodes.Data)+1))
	return nil
}

// slot is a mode's number in include/uapi/linux/mempolicy.h.
func slot(m specs.MemoryPolicyModeType) int {
	for n, name := range MemoryPolicyModes() {
		if string(m) == name {
			return n
		}
	}
	return 0
}

// MemoryPolicyModes lists the modes; the place in the list is the kernel's
// number.
func MemoryPolicyModes() []string {
	return []string{
		string(specs.MpolDefault), string(specs.MpolPreferred), string(specs.MpolBind), string(specs.MpolInterleave),
		string(specs.MpolLocal), string(specs.MpolPreferredMany), string(specs.MpolWeightedInterleave),
	}
}

// MemoryPolicyFlags lists their flags.
func MemoryPolicyFlags() []string {
	return []string{string(specs.MpolFNumaBalancing), string(specs.MpolFRelativeNodes), string(specs.MpolFStaticNodes)}
}
