package confine

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// names of the capabilities, by number (capabilities(7), Linux 5.9).
var names = [...]string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
	"NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
	"SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
	"AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
	"PERFMON", "BPF", "CHECKPOINT_RESTORE",
}

// Set is a set of capabilities, bit n for capability number n.
type Set uint64

// ParseSet reads capability names, with or without "CAP_", in any case. Names
// it does not know come back as unknown.
func ParseSet(list []string) (set Set, unknown []string) {
	for _, name := range list {
		if n := number(name); n >= 0 {
			set |= 1 << n
		} else {
			unknown = append(unknown, name)
		}
	}
	return set, unknown
}

func number(name string) int {
	short := strings.TrimPrefix(strings.ToUpper(name), "CAP_")
	for n, known := range names {
		if known == short {
			return n
		}
	}
	return -1
}

// Names lists a set by the kernel's names.
func (s Set) Names() []string {
	var list []string
	for n, name := range names {
		if s&(1<<n) != 0 {
			list = append(list, "CAP_"+name)
		}
	}
	return list
}

// sets are the five sets of one process.
type sets struct{ bounding, effective, permitted, inheritable, ambient Set }

// setsOf reads the spec's. No capabilities in the spec means none at all.
func setsOf(c *specs.LinuxCapabilities) (s sets, unknown []string) {
	if c == nil {
		return s, nil
	}
	for _, one := range []struct {
		into *Set
		from []string
	}{{&s.bounding, c.Bounding}, {&s.effective, c.Effective}, {&s.permitted, c.Permitted}, {&s.inheritable, c.Inheritable}, {&s.ambient, c.Ambient}} {
		set, bad := ParseSet(one.from)
		*one.into, unknown = set, append(unknown, bad...)
	}
	return s, unknown
}

// clip leaves only what we have ourselves, and says what was cut.
func (s *sets) clip(have Set) (lost Set) {
	for _, one := range []*Set{&s.bounding, &s.effective, &s.permitted, &s.inheritable, &s.ambient} {
		lost |= *one &^ have
		*one &= have
	}
	// capabilities(7): only what is also permitted and inheritable can be
	// ambient. Specs that ask for more (runc's default one does) get none, as
	// with runc.
	s.ambient &= s.permitted & s.inheritable
	return lost
}

// dropBounding removes everything else from the bounding set. EINVAL is a
// capability this kernel does not have.
func (s *sets) dropBounding(p *plan.Plan) {
	p.Act("drop capabilities from the bounding set")
	for n := range names {
		if s.bounding&(1<<n) == 0 {
			p.Prctl(unix.PR_CAPBSET_DROP, plan.C(n)).Ignore(unix.EINVAL)
		}
	}
}

// apply sets the other four. What is held stays permitted for later.
func (s *sets) apply(p *plan.Plan, held Set) {
	p.Act("set capabilities")
	capset(p, s.effective, s.permitted|held, s.inheritable)
	p.Prctl(unix.PR_CAP_AMBIENT, plan.C(unix.PR_CAP_AMBIENT_CLEAR_ALL))
	for n := range names {
		if s.ambient&(1<<n) != 0 {
			p.Prctl(unix.PR_CAP_AMBIENT, plan.C(unix.PR_CAP_AMBIENT_RAISE), plan.C(n))
		}
	}
}

// capset appends capset(2).
func capset(p *plan.Plan, effective, permitted, inheritable Set) {
	head := plan.Words(unix.LINUX_CAPABILITY_VERSION_3, 0)
	data := plan.Words(
		uint32(effective), uint32(permitted), uint32(inheritable),
		uint32(effective>>32), uint32(permitted>>32), uint32(inheritable>>32),
	).Show(func() string {
		return fmt.Sprintf("{effective %#x, permitted %#x, inheritable %#x}", uint64(effective), uint64(permitted), uint64(inheritable))
	})
	p.Do("capset", unix.SYS_CAPSET, plan.M(head), plan.M(data))
}
