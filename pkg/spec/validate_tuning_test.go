package spec

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestTuning: every refusal names the field by its whole path.
func TestTuning(t *testing.T) {
	for want, change := range map[string]func(*specs.Spec){
		"process.scheduler.policy: SCHED_ISO is reserved": scheduler(specs.Scheduler{Policy: "SCHED_ISO"}),
		`process.scheduler.policy: unknown policy ""`:     scheduler(specs.Scheduler{}),
		"process.scheduler.nice: must be from -20":        scheduler(specs.Scheduler{Policy: "SCHED_OTHER", Nice: 20}),
		"process.scheduler.flags[1]: unknown flag":        scheduler(specs.Scheduler{Policy: "SCHED_OTHER", Flags: []specs.LinuxSchedulerFlag{"SCHED_FLAG_RECLAIM", "X"}}),
		"process.scheduler.priority: is only for":         scheduler(specs.Scheduler{Policy: "SCHED_BATCH", Priority: 1}),
		"process.scheduler.priority: must be from 1":      scheduler(specs.Scheduler{Policy: "SCHED_FIFO"}),
		"process.scheduler.period: is only for":           scheduler(specs.Scheduler{Policy: "SCHED_RR", Priority: 1, Period: 1}),
		"process.scheduler: want runtime <= deadline":     scheduler(specs.Scheduler{Policy: "SCHED_DEADLINE", Runtime: 2, Deadline: 1}),
		"process.ioPriority.class: unknown":               func(s *specs.Spec) { s.Process.IOPriority = &specs.LinuxIOPriority{Class: "IOPRIO_CLASS_NONE"} },
		"process.ioPriority.priority: must be": func(s *specs.Spec) {
			s.Process.IOPriority = &specs.LinuxIOPriority{Class: "IOPRIO_CLASS_BE", Priority: 8}
		},
		"process.execCPUAffinity.initial:":                                                              func(s *specs.Spec) { s.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "x"} },
		"process.execCPUAffinity.final: 9000":                                                           func(s *specs.Spec) { s.Process.ExecCPUAffinity = &specs.CPUAffinity{Final: "0-9000"} },
		"process.selinuxLabel: NUL":                                                                     func(s *specs.Spec) { s.Process.SelinuxLabel = "a\x00" },
		"process.apparmorProfile: NUL byte or newline":                                                  func(s *specs.Spec) { s.Process.ApparmorProfile = "a\nb" },
		"process.apparmorProfile: is longer":                                                            func(s *specs.Spec) { s.Process.ApparmorProfile = strings.Repeat("a", 5000) },
		"linux.memoryPolicy.mode: invalid memory policy mode \"\"":                                      memory("", ""),
		"linux.memoryPolicy.nodes: invalid memory policy: MPOL_DEFAULT mode requires 0 nodes but got 3": memory("MPOL_DEFAULT", "0-1,70"),
		"linux.memoryPolicy.nodes: invalid memory policy nodes: missing or empty":                       memory("MPOL_BIND", " , "),
		"linux.memoryPolicy.nodes: invalid memory policy nodes: 1024 is beyond":                         memory("MPOL_BIND", "1024"),
		"linux.memoryPolicy.flags[0]: invalid memory policy flag \"MPOL_F_X\"":                          memory("MPOL_BIND", "0", "MPOL_F_X"),
		"linux.memoryPolicy.flags: invalid memory policy flags: ":                                       memory("MPOL_BIND", "0", "MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"),
		"linux.personality.domain: unknown":                                                             func(s *specs.Spec) { s.Linux.Personality = &specs.LinuxPersonality{} },
		"linux.personality.flags[0]: unknown flag": func(s *specs.Spec) {
			s.Linux.Personality = &specs.LinuxPersonality{Domain: "LINUX", Flags: []specs.LinuxPersonalityFlag{"X"}}
		},
		`linux.netDevices["e%d"]: is not`:    device0("e%d", ""),
		`linux.netDevices["e"].name: "%s%d"`: device0("e", "%s%d"),
		`linux.netDevices["e"].name: "."`:    device0("e", "."),
		`linux.netDevices["lo"]: the loop`:   device0("lo", "x"),
		"linux.intelRdt.closID:":             rdt(specs.LinuxIntelRdt{ClosID: "../x"}),
		"linux.intelRdt.schemata[1]: NUL":    rdt(specs.LinuxIntelRdt{Schemata: []string{"L3:0=f", "a\nb"}}),
		"linux.intelRdt.memBwSchema: must":   rdt(specs.LinuxIntelRdt{MemBwSchema: "L3:0=f"}),
	} {
		bundle, s := goodBundle(t)
		change(s)
		if err := Validate(s, bundle); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestGoodTuning(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){
		"keep":     scheduler(specs.Scheduler{Policy: "SCHED_FIFO", Flags: []specs.LinuxSchedulerFlag{"SCHED_FLAG_KEEP_PARAMS"}}),
		"deadline": scheduler(specs.Scheduler{Policy: "SCHED_DEADLINE", Runtime: 1, Deadline: 2, Period: 0}),
		"local":    memory("MPOL_LOCAL", ""),
		"prefer":   memory("MPOL_PREFERRED", ""),
		"weighted": memory("MPOL_WEIGHTED_INTERLEAVE", "0,2-3", "MPOL_F_NUMA_BALANCING", "MPOL_F_STATIC_NODES"),
		"device":   device0("eth0.5", "net%d"),
		"root":     rdt(specs.LinuxIntelRdt{ClosID: "/"}),
	} {
		bundle, s := goodBundle(t)
		change(s)
		if err := Validate(s, bundle); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func scheduler(v specs.Scheduler) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Process.Scheduler = &v }
}

func memory(mode specs.MemoryPolicyModeType, nodes string, flags ...specs.MemoryPolicyFlagType) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: mode, Nodes: nodes, Flags: flags}
	}
}

func device0(name, called string) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Linux.NetDevices = map[string]specs.LinuxNetDevice{name: {Name: called}} }
}

func rdt(v specs.LinuxIntelRdt) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Linux.IntelRdt = &v }
}
