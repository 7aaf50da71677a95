package lifecycle

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/kernel"
	"sandbox/pkg/userns"
)

// What of a bundle's limits and device rules cannot be enforced ends the start, as with runc. It is told instead
// (the log, --report, state) where somebody has said so, and where it is version 1 of the host's cgroups that has
// the controller: no runtime of version 2 can have it then, and engines write limits of their own.

// LimitsAnnotation in a bundle is what --limits is on the command line.
const LimitsAnnotation = "org.sandbox.limits"

// BestEffort is the value of both with which a limit that cannot be enforced is told; Enforce is what no value means.
const (
	BestEffort = "best-effort"
	Enforce    = "enforce"
)

// checkLimitsAnnotation refuses a word that means nothing.
func (g *program) checkLimitsAnnotation() error {
	switch v := g.Spec.Annotations[LimitsAnnotation]; v {
	case "", BestEffort, Enforce:
		return nil
	default:
		return fmt.Errorf("annotation %s: %q: want %s or %s", LimitsAnnotation, v, Enforce, BestEffort)
	}
}

// bestEffort says what what is typed says, and else the bundle.
func (g *program) bestEffort() bool {
	if g.Limits != "" {
		return g.Limits == BestEffort
	}
	return g.Spec.Annotations[LimitsAnnotation] == BestEffort
}

// openGroup makes the group, where that can be before there is a process, or says why the container cannot do without.
func (b *birth) openGroup() error {
	if !b.group.moves() {
		if err := b.enforceable(); err != nil {
			return err
		}
	}
	return b.group.open(b.dir)
}

// enforceable is an error for a container without a group that asks for what only a group has.
func (b *birth) enforceable() error {
	why := func(cgroup2.Write) kernel.Cause { return b.run.groupCause(b.group.refusal) } // which costs a look around
	if err := b.demand(b.group.writes, why); err != nil {
		return err
	}
	rules, wanted := b.deviceRules()
	if !wanted || errors.Is(b.group.refusal, cgroup2.ErrDisabled) || errors.Is(b.group.refusal, cgroup2.ErrNoV2) {
		return nil // told, see devicesOutcome
	}
	return b.demandRules(rules, why)
}

// demand is an error for the first of these limits that must be there. No limit at all needs no controller, but a file
// that is named is to be there (config-linux.md, "Unified").
func (b *birth) demand(missing []cgroup2.Write, why func(cgroup2.Write) kernel.Cause) error {
	if b.bestEffort() {
		return nil
	}
	for _, w := range missing {
		unified := strings.HasPrefix(w.Field, "linux.resources.unified.")
		if w.Lenient || !unified && (w.Unlimited() || b.lackingCause(w).Code == kernel.CgroupNoV2) {
			continue
		}
		cause := why(w)
		return &kernel.Refusal{Cause: cause, Err: fmt.Errorf("%s cannot be enforced%s; --limits=best-effort starts without it", w.Field, b.rootless(cause))}
	}
	return nil
}

// rootless are runc's words for an ordinary user's bundle that says nothing of its place, which its callers match on.
func (b *birth) rootless(cause kernel.Cause) string {
	if b.Typed || b.run.Groups.System || b.group.named || cause.Code != kernel.CgroupDelegated {
		return ""
	}
	return ": rootless needs no limits + no cgrouppath when no permission is granted for cgroups"
}

// demandRules is an error for rules of devices that deny something. The forms without a bundle have rules of ours, and a
// tree in which no node can be opened.
func (b *birth) demandRules(rules []specs.LinuxDeviceCgroup, why func(cgroup2.Write) kernel.Cause) error {
	if b.bestEffort() || b.Typed || len(rules) == 0 || cgroup2.AllowsAll(rules) {
		return nil
	}
	return &kernel.Refusal{Cause: why(cgroup2.Write{}), Err: errors.New("linux.resources.devices cannot be enforced; --limits=best-effort starts without it")}
}

// fewProcessors says why a deadline is refused: it wants every processor of the host (sched_setattr(2)). The words are runc's.
func (g *program) fewProcessors(e *userns.Error) error {
	l := g.Spec.Linux
	if e.Call != "sched_setattr" || e.Errno != unix.EPERM || l == nil || l.Resources == nil || l.Resources.CPU == nil || l.Resources.CPU.Cpus == "" {
		return nil
	}
	return fmt.Errorf("process.scheduler: process scheduler can't be used together with AllowedCPUs (linux.resources.cpu.cpus): %w", e)
}

// lackingCause is why a limit has no file in the container's group.
func (b *birth) lackingCause(w cgroup2.Write) kernel.Cause {
	path := b.group.place.Path
	have, _ := b.run.Groups.Group(path).Controllers()
	return b.run.Kernel.LackingController(w.Controller(), path, strings.Join(have, " "))
}
