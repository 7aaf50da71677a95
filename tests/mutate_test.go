package tests

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// mutator changes a config.json in ways that a careless or hostile writer might. The same seed makes the same changes.
type mutator struct{ *rand.Rand }

func newMutator(seed uint64) mutator { return mutator{rand.New(rand.NewPCG(seed, 0))} }

// wrong are values that hardly any field wants.
var wrong = []string{
	`null`, `true`, `""`, `"a\u0000b"`, `"a\nb"`, `"/../.."`, `"../../../../x"`, `"%s%n"`, `"ünï\u2028"`, `[]`, `{}`, `[null]`, `[{}]`, `["", "a\nb"]`,
	`{"": null}`, `{"a\nb": "c"}`, `{"../x": {}}`, `[[[[]]]]`, `"` + strings.Repeat("x", 70000) + `"`,
}

// numbers are around what some size or sign turns at.
var numbers = strings.Fields("0 1 -1 2 7 255 256 4095 65535 65536 1000000 2147483647 2147483648 4294967295 4294967296 9223372036854775807 " +
	"-9223372036854775808 18446744073709551615 18446744073709551616 1.5 1e3 1e400")

// words are right somewhere. None names a program that does anything, a device of the host's network, or a sysctl that is the
// host's: what a start makes of them as root must be harmless also where it is wrong.
var words = strings.Split("/ . .. rootfs /proc /proc/self/fd/3 /proc/self/exe /proc/self/ns/net /proc/self/ns/mnt /proc/self/ns/pid /proc/self/ns/user "+
	"/proc/self/ns/time /dev /dev/null /dev/pts /dev/console /dev/fd /sys /sys/fs/cgroup /tmp /etc/passwd /nonexistent/a /bin/true /bin/false /bin/sh "+
	"sh -c true false proc sysfs tmpfs devpts mqueue cgroup cgroup2 bind overlay none pid mount network ipc uts user time rbind ro rw rro recursive "+
	"nosuid noexec nodev relatime private rshared rslave runbindable shared slave idmap ridmap tmpcopyup mode=755 mode=0 mode=99999 size=64k size=0 "+
	"size=100% nr_inodes=1 newinstance gid=5 gid=4294967295 CAP_SYS_ADMIN CAP_KILL CAP_NONSENSE ALL RLIMIT_NOFILE RLIMIT_AS RLIMIT_CPU RLIMIT_FSIZE "+
	"RLIMIT_NPROC RLIMIT_STACK RLIMIT_DATA RLIMIT_CORE RLIMIT_MEMLOCK SCMP_ACT_ALLOW SCMP_ACT_ERRNO SCMP_ACT_KILL SCMP_ACT_KILL_PROCESS "+
	"SCMP_ACT_KILL_THREAD SCMP_ACT_TRAP SCMP_ACT_TRACE SCMP_ACT_LOG SCMP_ACT_NOTIFY SCMP_ARCH_X86 SCMP_ARCH_X32 SCMP_ARCH_AARCH64 SCMP_CMP_EQ "+
	"SCMP_CMP_NE SCMP_CMP_LT SCMP_CMP_MASKED_EQ SECCOMP_FILTER_FLAG_TSYNC SECCOMP_FILTER_FLAG_LOG SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV "+
	"execve execveat exit exit_group read write close sendmsg sendto recvmsg mmap brk futex capset openat arch_prctl rt_sigaction nanosleep wait4 "+
	"SCHED_OTHER SCHED_BATCH SCHED_IDLE SCHED_FIFO SCHED_RR SCHED_DEADLINE IOPRIO_CLASS_RT IOPRIO_CLASS_IDLE MPOL_BIND MPOL_INTERLEAVE MPOL_LOCAL "+
	"MPOL_F_STATIC_NODES LINUX32 LINUX c b u p a rwm r 0 0-1 64 a:b:c /a/b system.slice:a:b fuzz.slice monotonic boottime net.ipv4.ip_forward "+
	"kernel.msgmax kernel.hostname net.no.such 2MB max 1.3.0 1.0.0 2.0.0 A=b PATH=/bin NOVALUE LISTEN_FDS=3 NOTIFY_SOCKET=/x TERM=%s", " ")

// descend picks a place, each field as likely as the next one, whatever it has below it.
func (m mutator) descend(v any, path []string) []string {
	if len(path) > 0 && m.IntN(4) == 0 {
		return path
	}
	switch v := v.(type) {
	case map[string]any:
		if keys := sortedKeys(v); len(keys) > 0 {
			key := keys[m.IntN(len(keys))]
			return m.descend(v[key], append(path, strings.NewReplacer(`\`, `\\`, ".", `\.`).Replace(key)))
		}
	case []any:
		if len(v) > 0 {
			i := m.IntN(len(v))
			return m.descend(v[i], append(path, fmt.Sprint(i)))
		}
	}
	return path
}

func sortedKeys(v map[string]any) []string {
	keys := make([]string, 0, len(v))
	for key := range v {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (m mutator) place(d document) string { return strings.Join(m.descend(d.root, nil), ".") }

func (m mutator) pick(list []string) any { return parseValue(list[m.IntN(len(list))]) }

// alike is another value of the same type, which a first look lets through.
func (m mutator) alike(old any) any {
	switch old := old.(type) {
	case bool:
		return !old
	case json.Number:
		return json.Number(numbers[m.IntN(len(numbers))])
	case string:
		return words[m.IntN(len(words))]
	case []any:
		list := slices.Clone(old)
		switch m.IntN(3) {
		case 0:
			return append(list, copied(old).([]any)...)
		case 1:
			m.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			return list
		}
		return []any{}
	}
	return map[string]any{}
}

// copied shares nothing with what it is a copy of: two places of one value would change together, or hold each other.
func copied(v any) any {
	data, err := document{v}.bytes()
	if err != nil {
		return nil
	}
	d, err := parseDocument(data)
	if err != nil {
		return nil
	}
	return d.root
}

// twinMark ends a key that text writes without it: JSON allows a key twice.
const twinMark = "\x00twin"

// change makes one change and says what it was.
func (m mutator) change(d *document, strange [][2]string) string {
	at := m.place(*d)
	if at == "" {
		return "nothing is left to change"
	}
	old, err := d.get(at)
	if err != nil {
		return err.Error()
	}
	done := func(value any) string {
		_ = d.apply(at, put(value)) // the place is there
		return fmt.Sprintf("%s = %.80s", at, document{value}.line())
	}
	switch n := m.IntN(16); {
	case n < 2:
		_ = d.apply(at, remove)
		return "no " + at
	case n < 3:
		_ = d.apply(at+twinMark, put(m.alike(old))) // refused in an array, which has no keys
		return "twice " + at
	case n < 5:
		other := m.place(*d)
		value, _ := d.get(other)
		_ = d.apply(other, put(copied(old)))
		return fmt.Sprintf("exchanged with %s: %s", other, done(copied(value)))
	case n < 7:
		field := strange[m.IntN(len(strange))]
		_ = d.apply(field[0], put(parseValue(field[1])))
		return field[0] + " = " + field[1]
	case n < 9:
		return done(m.pick(wrong))
	}
	return done(m.alike(old))
}

// line is the value as JSON in one line.
func (d document) line() string {
	data, err := json.Marshal(d.root)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// text is the document with its twins.
func (d document) text() string { return strings.ReplaceAll(d.line(), `\u0000twin"`, `"`) }
