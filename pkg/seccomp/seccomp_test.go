package seccomp

import (
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func errno(n uint) *uint { return &n }

func allow(names ...string) specs.LinuxSyscall {
	return specs.LinuxSyscall{Names: names, Action: specs.ActAllow}
}

func given(s specs.LinuxSyscall, args ...specs.LinuxSeccompArg) specs.LinuxSyscall {
	s.Args = args
	return s
}

func arg(index uint, op specs.LinuxSeccompOperator, v ...uint64) specs.LinuxSeccompArg {
	a := specs.LinuxSeccompArg{Index: index, Op: op, Value: v[0]}
	if len(v) > 1 {
		a.ValueTwo = v[1]
	}
	return a
}

var x86 = []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32}

// every runs a filter over every number that is or may become a call, on every
// architecture, and compares with the profile read directly.
func every(t *testing.T, s *specs.LinuxSeccomp, args [][6]uint64) {
	t.Helper()
	f, err := Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	audits := []uint32{0, 1, ^uint32(0), unix.AUDIT_ARCH_PARISC}
	for i := range arches {
		audits = append(audits, arches[i].audit)
	}
	var nrs []uint32
	for n := uint32(0); n <= 1024; n++ {
		nrs = append(nrs, n, n|x32Bit, n+4000, n+5000)
	}
	for n := uint32(0); n < 16; n++ {
		nrs = append(nrs, 0xf0000+n, ^n, x32Bit-1-n, 0x80000000+n)
	}
	interesting := map[uint32]bool{}
	for _, r := range s.Syscalls {
		for i := range arches {
			for _, name := range append(r.Names, "socketcall", "ipc") {
				if nr, ok := slow(&arches[i], name); ok && (len(r.Args) > 0 || name == "ipc" || name == "socketcall") {
					interesting[nr] = true
				}
			}
		}
	}
	for _, audit := range audits {
		for _, nr := range nrs {
			some := args[:min(2, len(args))]
			if interesting[nr] {
				some = args
			}
			for _, a := range some {
				same(t, s, f, &data{nr, audit, a})
			}
		}
	}
}

func same(t *testing.T, s *specs.LinuxSeccomp, f *Filter, d *data) int {
	t.Helper()
	big := false
	for i := range arches {
		if arches[i].audit == d.arch {
			big = arches[i].big
		}
	}
	got, steps, err := machine(f.Program, d, big)
	if err != nil {
		t.Fatal(err)
	}
	if want := direct(s, d); got != want {
		t.Fatalf("call %#x on %#x with %#x: filter says %#x, profile %#x", d.nr, d.arch, d.args, got, want)
	}
	return steps
}

// boundaries are values around those of a profile, and around 32 bits.
func boundaries(s *specs.LinuxSeccomp) (sets [][6]uint64) {
	values := []uint64{0, 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 63, ^uint64(0)}
	for _, r := range s.Syscalls {
		for _, a := range r.Args {
			for _, v := range []uint64{a.Value, a.ValueTwo, a.Value & a.ValueTwo, a.Value | a.ValueTwo} {
				values = append(values, v, v-1, v+1, v^1<<32, v&0xffffffff, ^v)
			}
		}
	}
	for i, v := range values {
		w := values[(i*7+3)%len(values)]
		sets = append(sets, [6]uint64{v, v, v, v, v, v}, [6]uint64{v, w, v, w, v, w}, [6]uint64{w, v, w, v, w, v})
	}
	return sets
}

var deny = specs.ActErrno

var profiles = map[string]*specs.LinuxSeccomp{
	"nothing":      {DefaultAction: specs.ActAllow},
	"deny nothing": {DefaultAction: specs.ActAllow, Architectures: x86, Syscalls: []specs.LinuxSyscall{allow("read")}},
	"deny all":     {DefaultAction: deny, DefaultErrnoRet: errno(13), Architectures: x86},
	"short list":   {DefaultAction: specs.ActKill, Architectures: x86, Syscalls: []specs.LinuxSyscall{allow("read", "write", "exit", "no_such_call", "rt_sigreturn")}},
	"new calls":    {DefaultAction: deny, Architectures: x86, Syscalls: []specs.LinuxSyscall{allow("read", "faccessat2", "listns")}},
	"dated by another": {DefaultAction: deny, Architectures: []specs.Arch{specs.ArchARM, specs.ArchAARCH64, specs.ArchX32},
		Syscalls: []specs.LinuxSyscall{allow("memfd_secret", "cacheflush", "ioctl")}},
	"x32 only": {DefaultAction: deny, Architectures: []specs.Arch{specs.ArchX32}, Syscalls: []specs.LinuxSyscall{allow("read", "ioctl", "mseal")}},
	"traced": {DefaultAction: specs.ActTrace, DefaultErrnoRet: errno(65535), Architectures: x86, Syscalls: []specs.LinuxSyscall{
		{Names: []string{"mkdir"}, Action: specs.ActTrap}, {Names: []string{"rmdir"}, Action: specs.ActKillProcess},
		{Names: []string{"getpid"}, Action: specs.ActKillThread}, {Names: []string{"getppid"}, Action: specs.ActLog}}},
	"connect": {DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86, specs.ArchPPC64LE, specs.ArchS390X}, Syscalls: []specs.LinuxSyscall{
		{Names: []string{"connect", "shmat", "sendmsg"}, Action: deny}, given(specs.LinuxSyscall{Names: []string{"socket"}, Action: deny}, arg(0, specs.OpEqualTo, 38))}},
	"socketcall": {DefaultAction: deny, Architectures: x86, Syscalls: []specs.LinuxSyscall{allow("connect"), allow("socketcall"), allow("ipc", "connect")}},
	"operators": {DefaultAction: deny, Architectures: x86, Syscalls: []specs.LinuxSyscall{
		given(allow("read"), arg(0, specs.OpEqualTo, 1<<32+5)), given(allow("write"), arg(1, specs.OpNotEqual, 1<<32+5)),
		given(allow("open"), arg(2, specs.OpLessThan, 1<<32+5)), given(allow("close"), arg(3, specs.OpLessEqual, 1<<32+5)),
		given(allow("stat"), arg(4, specs.OpGreaterThan, 1<<32+5)), given(allow("fstat"), arg(5, specs.OpGreaterEqual, 1<<32+5)),
		given(allow("lstat"), arg(0, specs.OpMaskedEqual, 0xff000000ff, 0x1200000034)), given(allow("poll"), arg(0, specs.OpMaskedEqual, 0xf0, 0x01)),
		given(allow("lseek"), arg(0, specs.OpMaskedEqual, 0, 0)), given(allow("mmap"), arg(0, specs.OpMaskedEqual, 0xffff0000, 0xffff0000)),
		given(allow("brk"), arg(0, specs.OpGreaterEqual, 0)), given(allow("ioctl"), arg(0, specs.OpGreaterThan, ^uint64(0))),
	}},
	"and, or": {DefaultAction: deny, Architectures: x86, Syscalls: []specs.LinuxSyscall{
		given(allow("read"), arg(0, specs.OpEqualTo, 1), arg(1, specs.OpEqualTo, 2), arg(5, specs.OpGreaterThan, 3)),
		given(allow("read"), arg(0, specs.OpEqualTo, 7)), given(allow("write"), arg(0, specs.OpGreaterEqual, 4), arg(0, specs.OpLessThan, 2)),
	}},
	"which wins": {DefaultAction: deny, Architectures: x86, Syscalls: []specs.LinuxSyscall{
		given(allow("read"), arg(0, specs.OpGreaterThan, 5)), given(specs.LinuxSyscall{Names: []string{"read"}, Action: specs.ActKillProcess}, arg(0, specs.OpGreaterThan, 9)),
		given(specs.LinuxSyscall{Names: []string{"read"}, Action: deny, ErrnoRet: errno(7)}, arg(1, specs.OpEqualTo, 1)),
		given(specs.LinuxSyscall{Names: []string{"read"}, Action: deny, ErrnoRet: errno(8)}, arg(1, specs.OpLessEqual, 1)),
		given(specs.LinuxSyscall{Names: []string{"write"}, Action: deny, ErrnoRet: errno(7)}, arg(1, specs.OpEqualTo, 1)), allow("write"), {Names: []string{"write"}, Action: specs.ActTrap},
		given(allow("mkdir"), arg(1, specs.OpEqualTo, 1)), {Names: []string{"mkdir"}, Action: deny},
	}},
}

func TestEveryNumber(t *testing.T) {
	for name, s := range profiles {
		t.Run(name, func(t *testing.T) { every(t, s, boundaries(s)) })
	}
}

// TestLong has more than a jump can skip, in rules and in ranges.
func TestLong(t *testing.T) {
	s := &specs.LinuxSeccomp{DefaultAction: deny, Architectures: x86}
	for i := uint64(0); i < 300; i++ {
		s.Syscalls = append(s.Syscalls, given(allow("read"), arg(0, specs.OpEqualTo, i*3)))
	}
	for i := 0; i < rows; i += 2 {
		s.Syscalls = append(s.Syscalls, specs.LinuxSyscall{Names: []string{names[starts[i]:starts[i+1]]}, Action: specs.ActErrno, ErrnoRet: errno(uint(i%3 + 2))})
	}
	f, err := Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	for nr := uint32(0); nr <= 600; nr++ {
		for _, bit := range []uint32{0, x32Bit} {
			same(t, s, f, &data{nr | bit, unix.AUDIT_ARCH_X86_64, [6]uint64{897}})
			same(t, s, f, &data{nr, unix.AUDIT_ARCH_I386, [6]uint64{3}})
		}
	}
	for v := range uint64(1000) {
		same(t, s, f, &data{0, unix.AUDIT_ARCH_X86_64, [6]uint64{v}})
		same(t, s, f, &data{3, unix.AUDIT_ARCH_I386, [6]uint64{v}})
	}
	for i := uint64(0); i < 1000; i++ {
		s.Syscalls = append(s.Syscalls, given(allow("openat2"), arg(0, specs.OpEqualTo, i)))
	}
	if _, err := Compile(s); err == nil || !strings.Contains(err.Error(), "instructions, the kernel takes 4096") {
		t.Errorf("too long: %v", err)
	}
}

// TestBalanced: no call may cost more than the depth of a balanced tree.
func TestBalanced(t *testing.T) {
	s := &specs.LinuxSeccomp{DefaultAction: deny, Architectures: x86, Syscalls: []specs.LinuxSyscall{allow("socketcall", "ipc")}}
	for i := 0; i < rows; i += 2 {
		s.Syscalls = append(s.Syscalls, allow(names[starts[i]:starts[i+1]]))
	}
	f, err := Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, audit := range []uint32{unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_I386} {
		for nr := uint32(0); nr < 512; nr++ {
			if steps := same(t, s, f, &data{nr: nr, arch: audit}); steps > 18 {
				t.Errorf("call %d takes %d steps", nr, steps)
			}
		}
	}
}

// random makes a profile of few names, so that rules meet.
func random(r *rand.Rand) *specs.LinuxSeccomp {
	actions := []specs.LinuxSeccompAction{specs.ActAllow, deny, specs.ActKill, specs.ActKillProcess, specs.ActTrap, specs.ActTrace, specs.ActLog, specs.ActErrno, specs.ActAllow}
	ops := []specs.LinuxSeccompOperator{specs.OpEqualTo, specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterThan, specs.OpGreaterEqual, specs.OpMaskedEqual}
	pool := make([]string, 8)
	for i := range pool {
		at := r.IntN(rows)
		pool[i] = names[starts[at]:starts[at+1]]
	}
	pool = append(pool, "socket", "socketcall", "shmat", "no_such_call")
	value := func() uint64 {
		return []uint64{uint64(r.IntN(4)), 1 << 32, 1<<32 + uint64(r.IntN(3)), r.Uint64(), ^uint64(0)}[r.IntN(5)]
	}
	s := &specs.LinuxSeccomp{DefaultAction: actions[r.IntN(len(actions))]}
	for range r.IntN(4) {
		s.Architectures = append(s.Architectures, arches[r.IntN(len(arches))].name)
	}
	for range r.IntN(12) {
		rule := specs.LinuxSyscall{Action: actions[r.IntN(len(actions))]}
		for range 1 + r.IntN(3) {
			rule.Names = append(rule.Names, pool[r.IntN(len(pool))])
		}
		for range r.IntN(3) {
			rule.Args = append(rule.Args, arg(uint(r.IntN(3)), ops[r.IntN(len(ops))], value(), value()))
		}
		if rule.Action == deny {
			rule.ErrnoRet = errno(uint(r.IntN(3)))
		}
		s.Syscalls = append(s.Syscalls, rule)
	}
	return s
}

func checkRandom(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	s := random(r)
	f, err := Compile(s)
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	args := boundaries(s)
	for i := range arches {
		a := &arches[i]
		nrs := []uint32{0, 1, ^uint32(0), x32Bit, x32Bit + 512, 423, 424, 471, 500, 1000, 5471}
		for _, rule := range s.Syscalls {
			for _, name := range append(rule.Names, "socketcall", "ipc") {
				if nr, ok := slow(a, name); ok {
					nrs = append(nrs, nr, nr-1, nr+1)
				}
			}
		}
		for _, nr := range nrs {
			for range 8 {
				same(t, s, f, &data{nr, a.audit, args[r.IntN(len(args))]})
			}
		}
	}
}

func TestRandom(t *testing.T) {
	for seed := range uint64(300) {
		checkRandom(t, seed)
	}
}

func FuzzProfile(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(checkRandom)
}

func TestRefusals(t *testing.T) {
	rule := func(r ...specs.LinuxSyscall) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: deny, Syscalls: append([]specs.LinuxSyscall{allow("read")}, r...)}
	}
	ask := specs.LinuxSyscall{Names: []string{"mkdir"}, Action: specs.ActNotify}
	for _, tt := range []struct {
		want string
		s    *specs.LinuxSeccomp
	}{
		{"linux.seccomp.defaultAction: missing", &specs.LinuxSeccomp{}},
		{`linux.seccomp.defaultAction: unknown action "X"`, &specs.LinuxSeccomp{DefaultAction: "X"}},
		{"linux.seccomp.defaultAction: SCMP_ACT_NOTIFY", &specs.LinuxSeccomp{DefaultAction: specs.ActNotify}},
		{"linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW takes no errno", &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, DefaultErrnoRet: errno(1)}},
		{"linux.seccomp.defaultErrnoRet: must be 4095 at most, is 4096", &specs.LinuxSeccomp{DefaultAction: deny, DefaultErrnoRet: errno(4096)}},
		{`linux.seccomp.architectures[1]: unknown architecture "X"`, &specs.LinuxSeccomp{DefaultAction: deny, Architectures: []specs.Arch{specs.ArchX86, "X"}}},
		{"linux.seccomp.architectures[0]: SCMP_ARCH_PARISC is not supported", &specs.LinuxSeccomp{DefaultAction: deny, Architectures: []specs.Arch{specs.ArchPARISC}}},
		{`linux.seccomp.flags[0]: unknown flag "X"`, &specs.LinuxSeccomp{DefaultAction: deny, Flags: []specs.LinuxSeccompFlag{"X"}}},
		{"linux.seccomp.flags[0]: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV means", &specs.LinuxSeccomp{DefaultAction: deny, Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv}}},
		{`linux.seccomp.syscalls[1].action: unknown action "X"`, rule(specs.LinuxSyscall{Names: []string{"mkdir"}, Action: "X"})},
		{"linux.seccomp.syscalls[1].action: missing", rule(specs.LinuxSyscall{Names: []string{"mkdir"}})},
		{"linux.seccomp.syscalls[1].errnoRet: SCMP_ACT_ALLOW takes no errno", rule(specs.LinuxSyscall{Names: []string{"mkdir"}, Action: specs.ActAllow, ErrnoRet: errno(1)})},
		{"linux.seccomp.syscalls[1].names: missing", rule(specs.LinuxSyscall{Action: deny})},
		{"linux.seccomp.syscalls[1].names[1]: empty", rule(allow("mkdir", ""))},
		{"linux.seccomp.syscalls[1].args[1].index: a system call has arguments 0 to 5, not 6", rule(given(allow("mkdir"), arg(5, specs.OpEqualTo, 0), arg(6, specs.OpEqualTo, 0)))},
		{`linux.seccomp.syscalls[1].args[0].op: unknown operator "X"`, rule(given(allow("mkdir"), arg(5, "X", 0)))},
		{"linux.seccomp.syscalls[1].args[0].op: missing", rule(given(allow("mkdir"), arg(5, "", 0)))},
		{"linux.seccomp.syscalls[1].action: SCMP_ACT_NOTIFY cannot be used for the write syscall", rule(specs.LinuxSyscall{Names: []string{"write"}, Action: specs.ActNotify})},
		{"linux.seccomp.listenerPath: missing", rule(ask)},
		{"linux.seccomp.syscalls: with SCMP_ACT_NOTIFY sendmsg", &specs.LinuxSeccomp{DefaultAction: deny, ListenerPath: "/s", Syscalls: []specs.LinuxSyscall{ask}}},
		{`linux.seccomp.listenerPath: must be absolute, is "s"`, &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerPath: "s", Syscalls: []specs.LinuxSyscall{ask}}},
	} {
		if _, err := Compile(tt.s); err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

func TestListener(t *testing.T) {
	ask := func(names ...string) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: names, Action: specs.ActNotify}
	}
	for _, tt := range []struct {
		s    specs.LinuxSeccomp
		want string
	}{
		{specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{ask("mkdir")}}, "sendmsg"},
		{specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{ask("sendmsg")}}, "sendmmsg"},
		{specs.LinuxSeccomp{DefaultAction: deny, Syscalls: []specs.LinuxSyscall{ask("mkdir"), allow("sendmmsg")}}, "sendmmsg"},
	} {
		tt.s.ListenerPath, tt.s.ListenerMetadata = "/run/agent", "m"
		f, err := Compile(&tt.s)
		if err != nil || f.Notify != tt.want || f.Path != "/run/agent" || f.Meta != "m" || f.Flags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 {
			t.Errorf("%+v, %v; want %s", f, err, tt.want)
		}
	}
}

// TestTables fails when the tables are not those of the x/sys in go.mod.
func TestTables(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("Go is not on PATH")
	}
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Skip("no module cache:", err)
	}
	if out, err := exec.Command("go", "run", "../../hack/syscalls", "-check", strings.TrimSpace(string(dir)), "tables.go").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestNative compares our architecture's column with the numbers that Go was
// built with.
func TestNative(t *testing.T) {
	a, err := archesOf(nil)
	if err != nil || len(a) != 1 {
		t.Fatal(a, err)
	}
	for name, want := range map[string]uint32{
		"read": unix.SYS_READ, "execve": unix.SYS_EXECVE, "openat2": unix.SYS_OPENAT2, "seccomp": unix.SYS_SECCOMP,
		"mseal": unix.SYS_MSEAL, "setxattrat": unix.SYS_SETXATTRAT, "file_getattr": unix.SYS_FILE_GETATTR,
		"open_tree_attr": unix.SYS_OPEN_TREE_ATTR, "listns": unix.SYS_LISTNS,
	} {
		if nr, ok := a[0].named(name); !ok || nr != want {
			t.Errorf("%s is %d, want %d", name, nr, want)
		}
	}
	for i := range rows {
		if name := names[starts[i]:starts[i+1]]; row(name) != i || row(name+"?") >= 0 {
			t.Errorf("row of %q", name)
		}
	}
}
