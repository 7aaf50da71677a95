package spec

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/kernel"
)

const (
	policies       = "SCHED_OTHER SCHED_FIFO SCHED_RR SCHED_BATCH SCHED_IDLE SCHED_DEADLINE"
	schedulerFlags = `SCHED_FLAG_RESET_ON_FORK SCHED_FLAG_RECLAIM SCHED_FLAG_DL_OVERRUN SCHED_FLAG_KEEP_POLICY
		SCHED_FLAG_KEEP_PARAMS SCHED_FLAG_UTIL_CLAMP_MIN SCHED_FLAG_UTIL_CLAMP_MAX`
	memoryModes = "MPOL_DEFAULT MPOL_BIND MPOL_INTERLEAVE MPOL_WEIGHTED_INTERLEAVE MPOL_PREFERRED MPOL_PREFERRED_MANY MPOL_LOCAL"
	memoryFlags = "MPOL_F_NUMA_BALANCING MPOL_F_RELATIVE_NODES MPOL_F_STATIC_NODES"
)

func checkScheduling(p *specs.Process) error {
	if a := p.OOMScoreAdj; a != nil && (*a < -1000 || *a > 1000) {
		return invalid("process.oomScoreAdj", "must be from -1000 to 1000, is %d", *a)
	}
	switch io := p.IOPriority; {
	case io == nil:
	case !oneOf(string(io.Class), "IOPRIO_CLASS_RT IOPRIO_CLASS_BE IOPRIO_CLASS_IDLE"):
		return invalid("process.ioPriority.class", "unknown class %q", io.Class)
	case io.Priority < 0 || io.Priority > 7:
		return invalid("process.ioPriority.priority", "must be from 0 to 7, is %d", io.Priority)
	}
	if a := p.ExecCPUAffinity; a != nil {
		if err := checkList("process.execCPUAffinity.initial", a.Initial, kernel.MaxCPUs); err != nil {
			return err
		}
		if err := checkList("process.execCPUAffinity.final", a.Final, kernel.MaxCPUs); err != nil {
			return err
		}
	}
	if p.Scheduler != nil {
		return checkScheduler(p.Scheduler)
	}
	return nil
}

func checkList(field, list string, limit int) error {
	if _, err := kernel.ParseList(list, limit); err != nil {
		return invalid(field, "%w", err)
	}
	return nil
}

// checkScheduler finds what sched_setattr(2) would answer EINVAL to, or ignore.
func checkScheduler(s *specs.Scheduler) error {
	if s.Policy == "SCHED_ISO" {
		return invalid("process.scheduler.policy", "SCHED_ISO is reserved, no kernel has it: want one of %s", policies)
	}
	if !oneOf(string(s.Policy), policies) {
		return invalid("process.scheduler.policy", "unknown policy %q, want one of %s", s.Policy, policies)
	}
	if s.Nice < -20 || s.Nice > 19 {
		return invalid("process.scheduler.nice", "must be from -20 to 19, is %d", s.Nice)
	}
	for i, f := range s.Flags {
		if !oneOf(string(f), schedulerFlags) {
			return invalid(fmt.Sprintf("process.scheduler.flags[%d]", i), "unknown flag %q", f)
		}
	}
	keeps := slices.Contains(s.Flags, specs.SchedFlagKeepPolicy) || slices.Contains(s.Flags, specs.SchedFlagKeepParams)
	switch realtime := s.Policy == specs.SchedFIFO || s.Policy == specs.SchedRR; {
	case !realtime && s.Priority != 0:
		return invalid("process.scheduler.priority", "is only for SCHED_FIFO and SCHED_RR, not for %s", s.Policy)
	case realtime && !keeps && (s.Priority < 1 || s.Priority > 99):
		return invalid("process.scheduler.priority", "must be from 1 to 99 for %s, is %d", s.Policy, s.Priority)
	}
	return checkDeadline(s)
}

func checkDeadline(s *specs.Scheduler) error {
	for _, v := range []struct {
		name  string
		value uint64
	}{{"runtime", s.Runtime}, {"deadline", s.Deadline}, {"period", s.Period}} {
		if s.Policy != specs.SchedDeadline && v.value != 0 {
			return invalid("process.scheduler."+v.name, "is only for SCHED_DEADLINE, not for %s", s.Policy)
		}
	}
	if s.Policy == specs.SchedDeadline && (s.Runtime > s.Deadline || s.Period != 0 && s.Deadline > s.Period) {
		return invalid("process.scheduler", "want runtime <= deadline <= period, is %d, %d, %d", s.Runtime, s.Deadline, s.Period)
	}
	return nil
}

// checkLabels: both go into files of /proc in one write, where a NUL or newline would end them early.
func checkLabels(p *specs.Process) error {
	for _, l := range []struct{ field, value string }{
		{"process.selinuxLabel", p.SelinuxLabel}, {"process.apparmorProfile", p.ApparmorProfile},
	} {
		if strings.ContainsAny(l.value, "\x00\n") {
			return invalid(l.field, "NUL byte or newline in %q", l.value)
		}
		if len(l.value) > 4000 { // of a page (proc_pid_attr(5)), with room for the command before it
			return invalid(l.field, "is longer than 4000 bytes")
		}
	}
	return nil
}

// checkMemoryPolicy follows set_mempolicy(2); whether the nodes are there, only the kernel can say. Clients of runc match on
// "invalid memory policy" and what follows.
func checkMemoryPolicy(l *specs.Linux) error {
	m := l.MemoryPolicy
	if m == nil {
		return nil
	}
	if !oneOf(string(m.Mode), memoryModes) {
		return invalid("linux.memoryPolicy.mode", "invalid memory policy mode %q, want one of %s", m.Mode, memoryModes)
	}
	nodes, err := kernel.ParseList(m.Nodes, kernel.MaxNodes)
	if err != nil {
		return invalid("linux.memoryPolicy.nodes", "invalid memory policy nodes: %w", err)
	}
	switch m.Mode {
	case specs.MpolDefault, specs.MpolLocal:
		if n := count(nodes); n > 0 {
			return invalid("linux.memoryPolicy.nodes", "invalid memory policy: %s mode requires 0 nodes but got %d (%q)", m.Mode, n, m.Nodes)
		}
	case specs.MpolPreferred: // with none: the node of the CPU
	default:
		if len(nodes) == 0 {
			return invalid("linux.memoryPolicy.nodes", "invalid memory policy nodes: missing or empty: %s needs nodes", m.Mode)
		}
	}
	seen := map[specs.MemoryPolicyFlagType]bool{}
	for i, f := range m.Flags {
		if !oneOf(string(f), memoryFlags) {
			return invalid(fmt.Sprintf("linux.memoryPolicy.flags[%d]", i), "invalid memory policy flag %q, want one of %s", f, memoryFlags)
		}
		seen[f] = true
	}
	if seen[specs.MpolFStaticNodes] && seen[specs.MpolFRelativeNodes] {
		return invalid("linux.memoryPolicy.flags", "invalid memory policy flags: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other")
	}
	return nil
}

// count is how many bits a mask has.
func count(mask []uint64) (n int) {
	for _, word := range mask {
		n += bits.OnesCount64(word)
	}
	return n
}

func checkPersonality(l *specs.Linux) error {
	p := l.Personality
	switch {
	case p == nil:
		return nil
	case !oneOf(string(p.Domain), "LINUX LINUX32"):
		return invalid("linux.personality.domain", "unknown domain %q, want LINUX or LINUX32", p.Domain)
	case len(p.Flags) > 0:
		return invalid("linux.personality.flags[0]", "unknown flag %q: the specification has none", p.Flags[0])
	}
	return nil
}

// checkNetDevices: names as the kernel takes them (dev_valid_name), and in the container also a template such as "eth%d".
func checkNetDevices(l *specs.Linux) error {
	if len(l.NetDevices) > 0 && !hasNamespace(l, specs.NetworkNamespace) {
		return invalid("linux.netDevices", "needs a network namespace in linux.namespaces")
	}
	for _, name := range slices.Sorted(maps.Keys(l.NetDevices)) { // the same configuration always gives the same error
		d := l.NetDevices[name]
		at := fmt.Sprintf("linux.netDevices[%q]", name)
		if !deviceName(name) || strings.Contains(name, "%") {
			return invalid(at, "is not a network device's name")
		}
		bare := strings.Replace(d.Name, "%d", "0", 1)
		if d.Name != "" && (!deviceName(d.Name) || strings.Contains(bare, "%")) {
			return invalid(at+".name", "%q is not a network device's name", d.Name)
		}
		if name == "lo" {
			return invalid(at, "the loopback device cannot be moved")
		}
	}
	return nil
}

func deviceName(name string) bool {
	const size = 16 // IFNAMSIZ, with the closing NUL
	return name != "" && len(name) < size && name != "." && name != ".." && !strings.ContainsAny(name, "/: \t\n\v\f\r\x00")
}

// checkIntelRdt: the names become directories of the resctrl file system, and each schema is one line of a file.
func checkIntelRdt(l *specs.Linux) error {
	r := l.IntelRdt
	if r == nil {
		return nil
	}
	if id := r.ClosID; id == "." || id == ".." || len(id) > 1 && strings.Contains(id, "/") || strings.ContainsAny(id, "\x00\n") {
		return invalid("linux.intelRdt.closID", "%q is not a directory's name", id)
	}
	for i, s := range append([]string{r.L3CacheSchema, r.MemBwSchema}, r.Schemata...) {
		field := fmt.Sprintf("schemata[%d]", i-2)
		if i < 2 {
			field = []string{"l3CacheSchema", "memBwSchema"}[i]
		}
		if strings.ContainsAny(s, "\x00\n") {
			return invalid("linux.intelRdt."+field, "NUL byte or newline in %q", s)
		}
	}
	if r.MemBwSchema != "" && !strings.HasPrefix(r.MemBwSchema, "MB:") {
		return invalid("linux.intelRdt.memBwSchema", "must begin with MB:, is %q", r.MemBwSchema)
	}
	return nil
}
