package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const good = "# Somebody suffers.\nboth: pkg/a exec|second\nroot: pkg/b:TestX\n-- old --\n\told\n-- new --\n\tnew\n"

func TestParseMutant(t *testing.T) {
	m, err := parseMutant("name", []byte(good))
	want := &mutant{name: "name", says: "Somebody suffers.", old: "\told\n", new: "\tnew\n", tests: []test{
		{"user", "pkg/a", ""}, {"root", "pkg/a", ""}, {"user", "", "exec|second"}, {"root", "", "exec|second"}, {"root", "pkg/b", "TestX"},
	}}
	if err != nil || !reflect.DeepEqual(m, want) {
		t.Errorf("%+v, %v", m, err)
	}
	for _, change := range [][2]string{
		{"# Somebody suffers.", "Somebody suffers."}, {"# Somebody suffers.", "# half a"}, {"both:", "everybody:"}, {"exec|second", "("},
		{"both: pkg/a exec|second\nroot: pkg/b:TestX\n", ""}, {"\tnew", "\told"}, {"-- new --", "-- other --"},
	} {
		if _, err := parseMutant("name", []byte(strings.Replace(good, change[0], change[1], 1))); err == nil {
			t.Errorf("%q for %q was taken", change[1], change[0])
		}
	}
}

func TestApply(t *testing.T) {
	s := source{"a.go": "if x {\n\told\n\t\told\n}\n", "b.go": "other\n"}
	file, text, err := s.apply(&mutant{old: "\told\n", new: ""})
	if err != nil || file != "a.go" || text != "if x {\n\t\told\n}\n" {
		t.Errorf("%s %q, %v", file, text, err)
	}
	for _, old := range []string{"old\n", "nowhere\n", "\t"} {
		if _, _, err := s.apply(&mutant{old: old}); err == nil {
			t.Errorf("%q was found", old)
		}
	}
	s["c.go"] = "\told\n"
	if _, _, err := s.apply(&mutant{old: "\told\n"}); err == nil {
		t.Error("found in two files, and taken")
	}
}

// TestMutants: all of them apply, and name tests that there are. Whether they compile takes a compiler: mutate -check.
func TestMutants(t *testing.T) {
	const root = "../.."
	s, err := readSource(root)
	if err != nil {
		t.Fatal(err)
	}
	mutants, err := readMutants(root, regexp.MustCompile(""))
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := scriptNames(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if _, _, err := s.apply(m); err != nil {
			t.Error(err)
		}
		for _, one := range m.tests {
			if err := one.exists(root, scripts); err != nil {
				t.Errorf("%s: %v", m.name, err)
			}
		}
	}
}

func TestRead(t *testing.T) {
	o := read("=== RUN TestScripts\n--- FAIL: TestScripts (0.1s)\n    --- FAIL: TestScripts/exec (0.1s)\n        FAIL: exec.txtar:3: no\n" +
		"    --- SKIP: TestScripts/pause (0.0s)\nLEFT-GROUP /x\nLEFT-PROCESS 3 sleep\n")
	if !slices.Equal(o.failed, []string{"exec"}) || !slices.Equal(o.left, []string{"LEFT-PROCESS 3 sleep"}) || !slices.Equal(o.skipped, []string{"pause"}) || o.line != "exec.txtar:3: no" {
		t.Errorf("%+v", o)
	}
}

func TestGoldenTests(t *testing.T) {
	dir := t.TempDir()
	text := "package p\nfunc TestGolden(t *T) { compare(t) }\nfunc compare(t *T) { if *update { write() } }\nfunc TestOther(t *T) { other() }\nfunc other() {}\n"
	if err := os.WriteFile(filepath.Join(dir, "p_test.go"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := goldenTests(dir)
	if err != nil || !slices.Equal(got, []string{"TestGolden"}) {
		t.Errorf("%v, %v", got, err)
	}
}
