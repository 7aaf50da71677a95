package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestCommandsFail runs one-line scripts that have to fail, with the words their log must hold.
func TestCommandsFail(t *testing.T) {
	for script, words := range map[string]string{
		"status 0 false":                         "exit status 1, want 0",
		"status 1 true":                          "exit status 0, want 1",
		"status 15 sh -c 'kill -TERM $$'":        "exit status 143, want 15",
		"status 0 /no/such/program":              "no such file",
		"status true":                            "usage: status",
		"! status 1 false":                       "has no negation",
		"terminal 0 false":                       "exit status 1, want 0",
		"terminal -size big 0 true":              `size "big"`,
		"jsonget a.json none":                    `no key "none"`,
		"! jsonget a.json here":                  "unexpected success",
		"! jsonget absent.json here":             "no such file",
		"! jsonget broken.json here":             "is not JSON",
		"jsonset a.json here.below 1":            "neither an object nor an array",
		"jsonset a.json list.7 1":                "no index",
		"jsonset a.json '' 1":                    "empty path",
		"jsondel a.json none":                    `no key "none"`,
		"alive gone":                             "is gone",
		"dead me":                                "still runs",
		"! alive nopid":                          "holds no pid",
		"! dead absent":                          "no such file",
		"[probe:misspelt] exec true":             "no such probe",
		"[misspelt] exec true":                   "no such condition",
		"eventually":                             "usage: eventually",
		"bundle":                                 "usage: bundle",
		"hostpid no-such-container":              "sandbox state",
		"jsonget a.json list.0\nstdout '^one $'": "no match",
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			archive := script + "\n-- a.json --\n{\"here\": 1, \"list\": [\"one\"]}\n-- broken.json --\n{\n-- gone --\n4194304\n-- me --\n1\n-- nopid --\nx\n"
			file := filepath.Join(t.TempDir(), "bad.txtar")
			if err := os.WriteFile(file, []byte(archive), 0o644); err != nil {
				t.Fatal(err)
			}
			h := &harness{callers: self(), machine: newMachine()}
			log := &failure{}
			testscript.RunT(log, h.params([]string{file}))
			if !log.failed {
				t.Error("the script passed")
			}
			if !strings.Contains(log.text.String(), words) {
				t.Errorf("the log does not say %q:\n%s", words, &log.text)
			}
		})
	}
}

// failure is a testscript.T that notes a failure instead of being one.
type failure struct {
	text   strings.Builder
	failed bool
}

// stopped unwinds a script the way FailNow has to, without ending the goroutine of the real test.
type stopped struct{}

func (f *failure) Parallel()     {}
func (f *failure) Verbose() bool { return false }
func (f *failure) Skip(...any)   { panic(stopped{}) }
func (f *failure) FailNow()      { f.failed = true; panic(stopped{}) }

func (f *failure) Log(args ...any) {
	for _, arg := range args {
		if s, ok := arg.(string); ok {
			f.text.WriteString(s)
		}
	}
}

func (f *failure) Fatal(args ...any) {
	f.Log(args...)
	f.FailNow()
}

func (f *failure) Run(_ string, body func(testscript.T)) {
	defer func() {
		if r := recover(); r != nil && r != (stopped{}) {
			panic(r)
		}
	}()
	body(f)
}
