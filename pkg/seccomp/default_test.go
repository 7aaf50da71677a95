package seccomp

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/spec"
)

// byDefault is the profile of `sandbox run`, with some capabilities.
func byDefault(tb testing.TB, caps ...string) *specs.LinuxSeccomp {
	tb.Helper()
	w := spec.Wish{Rootfs: tb.TempDir(), Args: []string{"true"}, CapAdd: caps}
	s, _, err := w.Spec(spec.Caller{UID: uint32(unix.Getuid()), GID: uint32(unix.Getgid()), Cwd: "/", Home: "/"}, spec.IDs{})
	if err != nil {
		tb.Fatal(err)
	}
	return s.Linux.Seccomp
}

func TestDefault(t *testing.T) {
	for _, caps := range [][]string{nil, {"ALL"}} {
		s := byDefault(t, caps...)
		var some [][6]uint64 // there are hundreds, and each takes a walk through 400 names
		for i, args := range boundaries(s) {
			if i%12 == 0 {
				some = append(some, args)
			}
		}
		every(t, s, some)
		f, err := Compile(s)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d instructions", len(f.Program)/8)
		for nr := range uint32(512) {
			steps := same(t, s, f, &data{nr: nr, arch: unix.AUDIT_ARCH_X86_64})
			if a, _ := archesOf(nil); nr != 41 && nr != 56 && nr != 135 && a[0].audit == unix.AUDIT_ARCH_X86_64 && steps > 16 {
				t.Errorf("call %d takes %d steps", nr, steps)
			}
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	s := byDefault(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(s); err != nil {
			b.Fatal(err)
		}
	}
}

// TestDefaultDoors tries every way of this machine's architectures to what the default profile looks at the arguments
// of: a condition on one name is worth nothing where another call does the same.
func TestDefaultDoors(t *testing.T) {
	s := byDefault(t)
	f, err := Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	list, err := archesOf(s.Architectures)
	if err != nil {
		t.Fatal(err)
	}
	const allow = unix.SECCOMP_RET_ALLOW
	for _, m := range list {
		ask := func(name string, args ...uint64) (uint32, bool) {
			nr, ok := slow(m, name)
			d := data{nr: nr, arch: m.audit}
			copy(d.args[:], args)
			ret, _, err := machine(f.Program, &d, m.big)
			if err != nil {
				t.Fatal(err)
			}
			return ret, ok
		}
		refused := func(name string, args ...uint64) {
			if ret, ok := ask(name, args...); ok && ret == allow {
				t.Errorf("%s: %s%x is allowed", m.name, name, args)
			}
		}
		for _, family := range []uint64{unix.AF_ALG, unix.AF_VSOCK, 38 | 1<<32, 40 | 1<<32, 40 | 1<<63} {
			refused("socket", family, unix.SOCK_STREAM)
		}
		refused("clone", unix.CLONE_NEWUSER|uint64(unix.SIGCHLD))
		refused("clone", unix.CLONE_NEWUSER|1<<32)
		refused("clone3")
		refused("unshare", unix.CLONE_NEWUSER)
		refused("personality", 0x0400000) // READ_IMPLIES_EXEC
		refused("io_uring_setup")         // its IORING_OP_SOCKET is seen by no filter
		if ret, ok := ask("socket", unix.AF_INET, unix.SOCK_STREAM); ok && ret != allow {
			t.Errorf("%s: a socket of AF_INET: %#x", m.name, ret)
		}
		// The family is behind a pointer. All that has no conditions passes.
		for i := uint64(2); i <= 20; i++ {
			if ret, ok := ask("socketcall", i, 1<<31); ok && ret != allow {
				t.Errorf("%s: socketcall %d: %#x", m.name, i, ret)
			}
		}
		for _, call := range []uint64{sysSocket, sysSocket | 1<<32, sysSocket | 1<<63} {
			if ret, ok := ask("socketcall", call, 1<<31); ok && m.narrow && ret != enosys {
				t.Errorf("%s: socketcall %#x: %#x, want ENOSYS", m.name, call, ret)
			}
			refused("socketcall", call)
		}
	}
}

const sysSocket = 1 // linux/net.h
