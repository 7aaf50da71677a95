package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs every script of this directory, of attacks/ and of images/ against the binary under test.
func TestScripts(t *testing.T) {
	files := slices.Concat(scripts(t, "*.txtar"), scripts(t, "attacks/*.txtar"), scripts(t, "images/*.txtar"))
	h := &harness{bin: binary(t), callers: self(), machine: newMachine()}
	testscript.Run(t, h.params(files))
}

// TestMachine runs the scripts about the virtual machine that the others run in (hack/vm), which says that it is one by
// SANDBOX_TEST_VM. They ask systemd and not the binary.
func TestMachine(t *testing.T) {
	h := &harness{callers: self(), machine: newMachine()}
	h.machine.skipUnless(t, "vm")
	testscript.Run(t, h.params(scripts(t, "vm/*.txtar")))
}

// TestHarness runs the harness's own scripts, which need no binary: a command that always succeeds would make every other
// script worthless.
func TestHarness(t *testing.T) {
	h := &harness{callers: self(), machine: newMachine()}
	testscript.Run(t, h.params(scripts(t, "testdata/harness/*.txtar")))
}

func scripts(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no script matches %s; a run of nothing proves nothing", pattern)
	}
	return files
}

// TestSkipsAreNamed fails on a skip that is not bound to a probe: such a skip is silent, and a test that has been silent
// for a year is found when it is needed.
func TestSkipsAreNamed(t *testing.T) {
	for _, file := range slices.Concat(scripts(t, "testdata/harness/*.txtar"), globbed("*.txtar"), globbed("attacks/*.txtar"), globbed("images/*.txtar"), globbed("vm/*.txtar")) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range unnamedSkips(string(data)) {
			t.Errorf("%s: %q: skip only as [!probe:NAME] skip, so that the run can say it and SANDBOX_TEST_MUST can forbid it", file, line)
		}
	}
}

func TestUnnamedSkips(t *testing.T) {
	for script, bad := range map[string]int{
		"skip":                                    1,
		"  [root] skip 'no'":                      1,
		"[!root] skip":                            1,
		"[!probe:userns] skip":                    0,
		"[!probe:exec:runc] skip 'no runc'":       0,
		"[!probe:userns] [!root] skip":            0,
		"exec true\n[linux] [!net] skip\n":        1,
		"exec echo skip":                          0,
		"exec true\n-- file --\nskip\n":           0,
		"[probe:userns] skip 'the wrong way on'":  1,
		"! skip":                                  1,
		"# skip":                                  0,
		"[!probe:userns] exec true\nskip 'later'": 1,
	} {
		if got := unnamedSkips(script); len(got) != bad {
			t.Errorf("%q: %d found (%q), want %d", script, len(got), got, bad)
		}
	}
}

func globbed(pattern string) []string {
	files, _ := filepath.Glob(pattern) // the pattern is a constant; Glob's only error is a malformed one
	return files
}

func unnamedSkips(archive string) []string {
	skip := regexp.MustCompile(`^\s*(\[[^]]*\]\s*)*(!\s*)?skip(\s|$)`)
	named := regexp.MustCompile(`\[!probe:[^]]+\]`)
	var bad []string
	for _, line := range strings.Split(archive, "\n") {
		if strings.HasPrefix(line, "-- ") && strings.HasSuffix(line, " --") {
			break // the script ends where the archive's first file begins
		}
		if head := skip.FindString(line); head != "" && !named.MatchString(head) {
			bad = append(bad, line)
		}
	}
	return bad
}
