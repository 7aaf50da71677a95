package lifecycle

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"sandbox/pkg/idmap"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/spec"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// TestGoldenPlans shows, without any privilege, every step of two starts of the
// default bundle: an ordinary user's and root's. A change of order or rights
// shows as a change of these files.
func TestGoldenPlans(t *testing.T) {
	all := uint64(1)<<41 - 1
	host := kernel.Host{Proc: t.TempDir()} // a /proc/kcore, say, would be another link
	user := &Runtime{Kernel: host, Caller: idmap.Caller{UID: 1000, GID: 1000}, Self: kernel.Facts{UID: 1000, EUID: 1000, CapBnd: all}}
	root := &Runtime{Kernel: host, Self: kernel.Facts{CapPrm: all, CapEff: all, CapBnd: all}}
	for file, r := range map[string]*Runtime{"testdata/user.txt": user, "testdata/root.txt": root} {
		r.CgroupManager = "disabled" // what there is on this host shows in the steps
		s := spec.Default()
		s.Process.Terminal = false
		if r == user {
			spec.ForUser(s, 1000, 1000)
		} else {
			s.Process.Rlimits = nil // a limit's steps depend on our own
		}
		p, _, err := r.Plan(Options{ID: "x", Bundle: "/bundle", Spec: s})
		if err != nil {
			t.Fatal(err)
		}
		golden(t, file, p)
	}
}

func golden(t *testing.T, file string, p *plan.Plan) {
	t.Helper()
	var got bytes.Buffer
	if err := p.Print(&got); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("differs from %s (go test -update writes it):\n%s", file, got.Bytes())
	}
}

func TestSignal(t *testing.T) {
	for text, want := range map[string]unix.Signal{"15": 15, "TERM": 15, "SIGTERM": 15, "sigkill": 9, "0": 0, "RTMIN+1": 35, "64": 64} {
		if got, err := Signal(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "BOGUS", "-1", "65", "SIG", "RTMIN+99", "99999999999999999999"} {
		if got, err := Signal(text); err == nil {
			t.Errorf("%q: no error, %v", text, got)
		}
	}
}

func FuzzSignal(f *testing.F) {
	for _, s := range []string{"15", "SIGTERM", "RTMIN+3", "-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := Signal(s); err == nil && (n < 0 || n > 64) {
			t.Errorf("%q is signal %d", s, n)
		}
	})
}
