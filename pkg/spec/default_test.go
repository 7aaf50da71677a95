package spec

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestDefaultIsRuncs compares with the runc that is installed.
func TestDefaultIsRuncs(t *testing.T) {
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("runc is not installed")
	}
	ours, userOurs := Default(), Default()
	ForUser(userOurs, uint32(os.Geteuid()), uint32(os.Getegid()))
	tests := []struct {
		args []string
		ours *specs.Spec
	}{{[]string{"spec"}, ours}, {[]string{"spec", "--rootless"}, userOurs}}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command(runc, tt.args...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			theirs := new(specs.Spec)
			data, err := os.ReadFile(filepath.Join(dir, ConfigName))
			if err != nil || json.Unmarshal(data, theirs) != nil {
				t.Fatalf("reading what runc wrote: %v", err)
			}
			var version []byte
			if version, err = exec.Command(runc, "--version").Output(); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(version), "runc version 1.1.") {
				t.Skipf("this is not runc 1.1: %.30s", version)
			}
			theirs.Version, theirs.Hostname = specs.Version, "sandbox"
			theirs.Process.Capabilities.Ambient = nil // never raised, not being inheritable; runc 1.5 asks for none
			theirs.Linux.Namespaces = withCgroupns(theirs.Linux.Namespaces)
			if !reflect.DeepEqual(tt.ours, theirs) {
				a, _ := indented(tt.ours)
				b, _ := indented(theirs)
				t.Errorf("ours:\n%s\nrunc's:\n%s", a, b)
			}
		})
	}
}

// withCgroupns adds what runc writes only where /sys/fs/cgroup is version 2, the one version we know.
func withCgroupns(list []specs.LinuxNamespace) []specs.LinuxNamespace {
	for _, ns := range list {
		if ns.Type == specs.CgroupNamespace {
			return list
		}
	}
	at := len(list)
	if list[at-1].Type == specs.UserNamespace { // which --rootless puts last
		at--
	}
	return slices.Insert(list, at, specs.LinuxNamespace{Type: specs.CgroupNamespace})
}

func TestDefaultIsValid(t *testing.T) {
	bundle := t.TempDir()
	if err := os.Mkdir(filepath.Join(bundle, "rootfs"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := Default()
	if err := Validate(s, bundle); err != nil {
		t.Error(err)
	}
	ForUser(s, 1000, 1000)
	if err := Validate(s, bundle); err != nil {
		t.Error(err)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ConfigName)
	if err := Write(Default(), path); err != nil {
		t.Fatal(err)
	}
	want := Default()
	Settle(want)
	back, err := Load(dir)
	if err != nil || !reflect.DeepEqual(back, want) {
		t.Errorf("what was written reads as %+v, %v", back, err)
	}
	err = Write(&specs.Spec{}, path)
	if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "config.json exists: ") {
		t.Errorf("second write: error %v, want that it exists", err)
	}
	data, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(data), "{\n\t\"ociVersion\"") {
		t.Errorf("file starts with %.20q, %v, want runc's format", data, err)
	}
}
