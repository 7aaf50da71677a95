package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// mutant is one bug. Its file:
//
//	# What a user would suffer, in one sentence.
//	both: pkg/confine exec cve-.*
//	-- old --
//		whole lines of one source file
//	-- new --
//		what stands there instead
//
// The second line names the tests that are tried first: who runs them (root, user or both), and names. One with a slash is a
// package with unit tests, perhaps with a regular expression of tests behind a colon (pkg/proc:TestLook); others are regular
// expressions of scripts in tests/. There may be several such lines.
//
// The old lines stand exactly once in the sources. Which file that is, nobody writes down: files move.
type mutant struct {
	name     string
	says     string
	tests    []test
	old, new string
}

// test is a test program's run.
type test struct {
	who  string // root or user
	unit string // a package; "" for scripts
	name string // regular expression of tests in it, or of scripts
}

func (t test) String() string {
	what := "script " + t.name
	if t.unit != "" {
		what = strings.TrimSuffix(t.unit+":"+t.name, ":")
	}
	return what + " as " + t.who
}

const suffix = ".mutant"

func readMutants(root string, only *regexp.Regexp) ([]*mutant, error) {
	files, err := filepath.Glob(filepath.Join(root, "hack/mutants/*"+suffix))
	if err != nil {
		return nil, err
	}
	var list []*mutant
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), suffix)
		if !only.MatchString(name) {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		m, err := parseMutant(name, data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
		list = append(list, m)
	}
	if len(list) == 0 {
		return nil, errors.New("no such mutant in hack/mutants; is this the top of the source tree?")
	}
	return list, nil
}

func parseMutant(name string, data []byte) (*mutant, error) {
	a := txtar.Parse(data)
	lines := strings.Split(strings.TrimRight(string(a.Comment), "\n"), "\n")
	says, is := strings.CutPrefix(lines[0], "# ")
	if !is || !strings.HasSuffix(says, ".") {
		return nil, errors.New("the first line has to be a comment of one sentence: what a user would suffer")
	}
	m := &mutant{name: name, says: says}
	for _, line := range lines[1:] {
		tests, err := parseTests(line)
		if err != nil {
			return nil, err
		}
		m.tests = append(m.tests, tests...)
	}
	if len(m.tests) == 0 {
		return nil, errors.New("the second line has to name tests")
	}
	if len(a.Files) != 2 || a.Files[0].Name != "old" || a.Files[1].Name != "new" {
		return nil, errors.New("want two texts, old and new")
	}
	m.old, m.new = string(a.Files[0].Data), string(a.Files[1].Data)
	if m.old == "" || m.old == m.new {
		return nil, errors.New("it changes nothing")
	}
	return m, nil
}

func parseTests(line string) (list []test, err error) {
	who, names, _ := strings.Cut(line, ":")
	callers := map[string][]string{"root": {"root"}, "user": {"user"}, "both": {"user", "root"}}[who]
	if callers == nil {
		return nil, fmt.Errorf("%q: want root, user or both, a colon, and tests", line)
	}
	for _, name := range strings.Fields(names) {
		for _, who := range callers {
			t := test{who: who, name: name}
			if strings.Contains(name, "/") {
				t.unit, t.name, _ = strings.Cut(name, ":")
			}
			if _, err := regexp.Compile(t.name); err != nil {
				return nil, err
			}
			list = append(list, t)
		}
	}
	return list, nil
}
