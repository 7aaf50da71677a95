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
