package lifecycle

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/spec"
	"sandbox/pkg/userns"
)

// labelled is a host with both security modules, as far as its files go.
func labelled(t *testing.T) kernel.Host {
	t.Helper()
	sys := t.TempDir()
	for path, content := range map[string]string{
		"fs/selinux/enforce": "1", "module/apparmor/parameters/enabled": "Y\n", "kernel/security/apparmor/profiles": "",
	} {
		path = filepath.Join(sys, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return kernel.Host{Sys: sys}
}

// TestLabels: both are written by the payload's own process, through the
// caller's /proc, before that is closed.
func TestLabels(t *testing.T) {
	r := &Runtime{Kernel: labelled(t)}
	s := spec.Default()
	s.Process.Terminal, s.Process.Rlimits = false, nil
	s.Process.SelinuxLabel, s.Process.ApparmorProfile = "u:r:t:s0", "profile"
	p, _, err := r.Plan(Options{ID: "x", Bundle: "/bundle", Spec: s})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := p.Print(&text); err != nil {
		t.Fatal(err)
	}
	got := text.String()
	last := 0
	for _, want := range []string{
		"begin a session", "set process.selinuxLabel", `"thread-self/attr/exec"`, "RESOLVE_NO_XDEV", `write($label, "u:r:t:s0", 8)`,
		"set process.apparmorProfile", `"exec profile"`, "close every other file descriptor",
	} {
		at := strings.Index(got[last:], want)
		if at < 0 {
			t.Fatalf("no %q behind the one before in\n%s", want, got)
		}
		last += at
	}
}

// TestLabelIsWritten runs the steps of a label against a file of /proc that
// every kernel has.
func TestLabelIsWritten(t *testing.T) {
	proc, err := openProcfs("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer proc.Close()
	p := plan.New()
	confine.Labels(p, int(proc.Fd()), []confine.Label{{Field: "process.test", File: "comm", Text: "labelled"}})
	name := plan.Bytes(make([]byte, 16))
	p.Prctl(unix.PR_GET_NAME, plan.M(name))
	for i, want := range []string{"labe", "lled"} {
		p.Expect(name, 4*i, ^uint32(0), uint32(want[0])|uint32(want[1])<<8|uint32(want[2])<<16|uint32(want[3])<<24, unix.ENOMSG)
	}
	p.Note("exec")
	p.Exit(0)
	child, err := userns.Spawn(userns.Request{Plan: p})
	if err != nil {
		t.Fatal(err)
	}
	if status, err := child.Wait(); err != nil || status != 0 {
		t.Errorf("%v, %v", status, err)
	}
}

// TestFakeProc: a directory in the place of /proc takes no label
// (CVE-2019-16884).
func TestFakeProc(t *testing.T) {
	for _, path := range []string{t.TempDir(), "/proc/self", "/nothing"} {
		if f, err := openProcfs(path); err == nil {
			f.Close()
			t.Errorf("%s was taken for a procfs", path)
		}
	}
}

// TestNoModule: a label without its module is refused, but for the profile that
// is none.
func TestNoModule(t *testing.T) {
	r := &Runtime{Kernel: kernel.Host{Sys: t.TempDir()}}
	for field, p := range map[string]specs.Process{
		"process.selinuxLabel: ": {SelinuxLabel: "x"}, "process.apparmorProfile: ": {ApparmorProfile: "x"},
	} {
		if _, err := r.labels(&p); err == nil || !strings.HasPrefix(err.Error(), field) {
			t.Errorf("%s%v", field, err)
		}
	}
	if l, err := r.labels(&specs.Process{ApparmorProfile: "unconfined"}); err != nil || l.proc != nil {
		t.Error(l, err)
	}
}
