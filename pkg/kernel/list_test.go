package kernel

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestParseList(t *testing.T) {
	for text, want := range map[string][]uint64{
		"": nil, " , ": nil, "0": {1}, "0-3,7": {0x8f}, "63": {1 << 63}, "64": {0, 1}, " 1 , 2-2 ": {6}, "1,1": {2},
	} {
		if got, err := ParseList(text, 128); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"x", "1-", "-1", "3-1", "128", "0-128", "1;2", "99999999999999999999", "0x1"} {
		if got, err := ParseList(text, 128); err == nil {
			t.Errorf("%q: no error, %v", text, got)
		}
	}
}

func TestCapabilityNames(t *testing.T) {
	list := Capabilities()
	if len(list) != 41 || list[0] != "CAP_CHOWN" || list[21] != "CAP_SYS_ADMIN" || list[40] != "CAP_CHECKPOINT_RESTORE" {
		t.Errorf("%d names: %v", len(list), list)
	}
}

// TestSecurityModules asks folders that look like hosts with one module each.
func TestSecurityModules(t *testing.T) {
	sys, proc := t.TempDir(), t.TempDir()
	write := func(path, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h := Host{Sys: sys, Proc: proc}
	if h.SELinux() || h.AppArmor() || h.AppArmorExec() != "attr/exec" {
		t.Error("an empty host has a security module")
	}
	write(sys+"/fs/selinux/enforce", "0")
	if !h.SELinux() {
		t.Error("a permissive SELinux is one too")
	}
	write(sys+"/module/apparmor/parameters/enabled", "Y\n")
	if !h.AppArmor() {
		t.Error("AppArmor confines also where securityfs is hidden, as podman does it")
	}
	write(sys+"/kernel/security/apparmor/profiles", "")
	write(proc+"/self/attr/apparmor/exec", "")
	if !h.AppArmor() || h.AppArmorExec() != "attr/apparmor/exec" {
		t.Error("AppArmor is not seen")
	}
}
