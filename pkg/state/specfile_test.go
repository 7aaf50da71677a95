package state

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/seccomp"
)

func webSpec() *specs.Spec {
	return &specs.Spec{
		Version: "1.3.0", Process: &specs.Process{Args: []string{"true"}, Cwd: "/"}, Annotations: map[string]string{"a": "b"},
		Hooks: &specs.Hooks{Poststop: []specs.Hook{{Path: "/bin/true"}}}, Mounts: []specs.Mount{{Destination: "/proc", Type: "proc"}},
		Linux: &specs.Linux{CgroupsPath: "/x", Resources: &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(5))}}},
	}
}

// TestRecall: a record leads to all that the container was made from, with the filter in the place of its profile.
func TestRecall(t *testing.T) {
	r, s := newRoot(t), webSpec()
	d, err := r.Claim("web", room)
	must(t, err)
	s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	must(t, d.WriteSpec(s, &seccomp.Filter{Base64: "YQ=="}))
	if s.Linux.Seccomp == nil {
		t.Error("the caller's spec has lost its profile")
	}
	must(t, d.Write(&Record{ID: "web", Hooked: true}))
	d.Close()

	d, rec, err := r.Find("web")
	must(t, err)
	defer d.Close()
	if rec.Spec != nil || rec.Process() != nil || rec.Hooks() != nil || rec.Resources() != nil {
		t.Error("whoever only looks has read the spec")
	}
	must(t, d.Recall(rec))
	if !reflect.DeepEqual(rec.Spec, webSpec()) || rec.Seccomp == nil || rec.Seccomp.Base64 != "YQ==" {
		t.Errorf("recalled %+v, filter %+v", rec.Spec, rec.Seccomp)
	}
}

// TestRecallDamaged: what cannot be read is told, with what to do; one that was removed meanwhile is no container.
func TestRecallDamaged(t *testing.T) {
	for text, want := range map[string]string{
		"": "the document ends too early", `{"spec":{"process":{}}}`: "no program", "null": "no program", "none": "its spec is not there",
	} {
		r := newRoot(t)
		made(t, r, "web")
		if text != "none" {
			must(t, os.WriteFile(filepath.Join(r.Path, "web", SpecFile), []byte(text), 0o600))
		}
		d, rec, err := r.Find("web")
		must(t, err)
		if err := d.Recall(rec); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "delete --force") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		_ = os.Remove(filepath.Join(r.Path, "web", SpecFile))
		must(t, d.Remove())
		d, err = r.Claim("web", room)
		must(t, err)
		if err := d.Recall(rec); !errors.Is(err, ErrNotExist) {
			t.Errorf("removed meanwhile: %v", err)
		}
		must(t, d.Remove())
	}
}

// formerRecord is of the version before the spec had its own file.
const formerRecord = `{"ociVersion":"1.3.0","id":"web","pid":7,"begin":8,"boot":"b","bundle":"/b","rootfs":"/b/r","created":"2026-11-20T08:00:00Z","owner":0,
"annotations":{"a":"b"},"autoRemove":true,"resources":{"pids":{"limit":5}},"personality":{"domain":"LINUX32"},"memoryPolicy":{"mode":"MPOL_LOCAL","nodes":""},
"process":{"user":{"uid":1,"gid":2},"args":["true"],"cwd":"/"},"hooks":{"poststop":[{"path":"/bin/true"}]},"seccomp":{"program":"YQ=="}}`

// TestFormerRecord: what such a record says counts, and is not lost when a later verb rewrites it.
func TestFormerRecord(t *testing.T) {
	r := newRoot(t)
	d, err := r.Claim("web", room)
	must(t, err)
	defer d.Close()
	must(t, os.WriteFile(filepath.Join(r.Path, "web", RecordFile), []byte(formerRecord), 0o600))
	want := &specs.Spec{
		Version: "1.3.0", Process: &specs.Process{User: specs.User{UID: 1, GID: 2}, Args: []string{"true"}, Cwd: "/"},
		Hooks: &specs.Hooks{Poststop: []specs.Hook{{Path: "/bin/true"}}}, Annotations: map[string]string{"a": "b"},
		Linux: &specs.Linux{
			Resources: &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(5))}}, Personality: &specs.LinuxPersonality{Domain: specs.PerLinux32},
			MemoryPolicy: &specs.LinuxMemoryPolicy{Mode: specs.MpolLocal},
		},
	}
	for _, when := range []string{"as it was", "rewritten"} {
		rec, err := d.Read()
		must(t, err)
		must(t, d.Recall(rec))
		if !reflect.DeepEqual(rec.Spec, want) || rec.Seccomp == nil || rec.Seccomp.Base64 != "YQ==" || !rec.Hooked || rec.Over() || rec.Pid != 7 {
			t.Errorf("%s: %+v of %+v", when, rec.Spec, rec)
		}
		must(t, d.Rewrite(rec))
	}
	text, err := os.ReadFile(filepath.Join(r.Path, "web", RecordFile))
	must(t, err)
	if strings.Contains(string(text), "process") {
		t.Errorf("the process stands in two files: %s", text)
	}
}
