package tests

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The harness's own parts that scripts cannot show failing.

func TestProbeSaysAndObeysMust(t *testing.T) {
	missing := errors.New("not on this machine")
	var said []string
	m := &machine{
		must:   []string{"promised"},
		say:    func(line string) { said = append(said, line) },
		probes: map[string]func() error{"promised": func() error { return missing }, "lost": func() error { return missing }, "here": func() error { return nil }},
	}
	if ok, err := m.probe("here"); !ok || err != nil || len(said) != 0 {
		t.Errorf("here: %v, %v, said %q", ok, err, said)
	}
	if ok, err := m.probe("lost"); ok || err != nil || !slices.Equal(said, []string{"SKIP-PROBE lost: not on this machine"}) {
		t.Errorf("lost: %v, %v, said %q", ok, err, said)
	}
	if ok, err := m.probe("promised"); ok || !errors.Is(err, missing) {
		t.Errorf("promised: %v, %v; a promised fact that is absent has to fail", ok, err)
	}
	if _, err := m.probe("no-such"); !errors.Is(err, errUnknownProbe) {
		t.Errorf("a misspelt probe gave %v", err)
	}
	if err := m.try("exec:no-such-program-anywhere"); err == nil {
		t.Error("a program that does not exist was found")
	}
}

func TestSubids(t *testing.T) {
	for _, tt := range []struct {
		name, subuid, subgid string
		ok                   bool
	}{
		{"by name", "me:100000:65536\n", "me:100000:65536\n", true},
		{"by uid", "1234:100000:65536\n", "1234:100000:65536\n", true},
		{"only uids", "me:100000:65536\n", "other:1:1\n", false},
		{"count zero", "me:100000:0\n", "me:100000:0\n", false},
		{"garbage", "me\nme:1\nme:1:x\n", "me:1:1\n", false},
		{"empty", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range map[string]string{"subuid": tt.subuid, "subgid": tt.subgid, "newuidmap": "", "newgidmap": ""} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			c := caller{uid: 1234, name: "me", etc: dir, path: []string{dir}}
			if err := c.subids(); (err == nil) != tt.ok {
				t.Errorf("subids() = %v", err)
			}
		})
	}
}

func TestMountsBelow(t *testing.T) {
	const table = `22 1 0:20 / /proc rw - proc proc rw
30 1 0:31 / /tmp/w/root/proc rw shared:1 - proc proc rw
31 1 0:31 / /tmp/w/a\040b rw - tmpfs tmpfs rw
32 1 0:31 / /tmp/www rw - tmpfs tmpfs rw
33 1 0:31 / /tmp/w rw - tmpfs tmpfs rw
short line
`
	got := mountsBelow(table, []string{"/tmp/w"})
	want := []string{"/tmp/w/root/proc", "/tmp/w/a b", "/tmp/w"}
	if !slices.Equal(got, want) {
		t.Errorf("mountsBelow = %q, want %q", got, want)
	}
}

func TestLeakCheckFindsContainers(t *testing.T) {
	dir := t.TempDir()
	sandbox := filepath.Join(dir, "sandbox")
	script := "#!/bin/sh\ncase $1 in list) cat state;; delete) echo $3 >> deleted;; esac\n"
	for name, content := range map[string]string{sandbox: script, filepath.Join(dir, "state"): "one\ntwo\n"} {
		if err := os.WriteFile(name, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got := leakCheck{dirs: []string{dir}, dir: dir, sandbox: sandbox, vars: os.Environ()}.sweep()
	if want := []string{"the container one", "the container two"}; !slices.Equal(got, want) {
		t.Errorf("sweep = %q, want %q", got, want)
	}
	deleted, err := os.ReadFile(filepath.Join(dir, "deleted"))
	if err != nil || strings.Join(strings.Fields(string(deleted)), " ") != "one two" {
		t.Errorf("deleted %q, %v", deleted, err)
	}
	if err := os.WriteFile(sandbox, []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := (leakCheck{dir: dir, sandbox: sandbox}).sweep(); len(got) != 1 {
		t.Errorf("an unreadable state gave %q", got)
	}
}

func TestRootfs(t *testing.T) {
	newMachine().skipUnless(t, "busybox")
	dir := t.TempDir()
	for range 2 { // a second time over the first: scripts call bundle again to start afresh
		if err := makeRootfs(dir); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "bin/sh")); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "tmp")); err != nil || info.Mode()&os.ModeSticky == 0 {
		t.Errorf("tmp: %v, %v", info, err)
	}
}
