// Command testlog reads the events of a test binary (go tool test2json) and says what came of it.
//
//	go tool test2json <LOG | testlog WHO WHAT STATUS
//
// STATUS is the exit status of the binary. The first line is "PASSED FAILED SKIPPED LEFT", the numbers of tests and of what
// they left behind; a line follows for each reason why something was skipped. What explains a failure goes to standard error.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// event is one of test2json's (go doc test2json).
type event struct{ Action, Test, Output string }

// outcome is what became of the tests of one binary.
type outcome struct {
	passed, failed, skipped, left int
	reasons                       map[string]bool
	explained                     []string // output of tests that failed, and of the binary besides its tests
	lines                         map[string][]string
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: go tool test2json <LOG | testlog WHO WHAT STATUS")
		os.Exit(2)
	}
	o, err := read(os.Stdin, os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
		os.Exit(1)
	}
	status := os.Args[3]
	if status != "0" && o.failed == 0 {
		o.failed++ // a panic, a timeout, a binary that does not start
		o.explained = append(o.explained, last(o.lines[""], 60)...)
	}
	fmt.Println(o.passed, o.failed, o.skipped, o.left)
	for _, reason := range slices.Sorted(maps.Keys(o.reasons)) {
		fmt.Println(reason)
	}
	if o.failed+o.left > 0 {
		fmt.Fprintf(os.Stderr, "--- as %s: %s (status %s)\n%s\n", os.Args[1], os.Args[2], status, strings.Join(last(o.explained, 400), "\n"))
	}
}

// read counts. Output without a test is the binary's own, and hack/isolated's behind it.
func read(r io.Reader, who, what string) (*outcome, error) {
	o := &outcome{reasons: map[string]bool{}, lines: map[string][]string{}}
	in := bufio.NewScanner(r)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%q is no event: %w", in.Text(), err)
		}
		switch e.Action {
		case "output":
			o.output(who, e)
		case "pass", "fail", "skip":
			o.end(who, what, e)
		}
	}
	return o, in.Err()
}

var marks = regexp.MustCompile(`^\s*(=== |--- (PASS|FAIL|SKIP): )`)

func (o *outcome) output(who string, e event) {
	line := strings.TrimRight(e.Output, "\n")
	if _, reason, ok := strings.Cut(line, "SKIP-PROBE "); ok {
		o.reasons["as "+who+": "+reason] = true
	}
	switch {
	case strings.HasPrefix(line, "LEFT-"):
		o.left++
		o.explained = append(o.explained, line)
	case line != "" && !marks.MatchString(line):
		o.lines[e.Test] = append(o.lines[e.Test], line)
	}
}

// place is where in its source a test has said something.
var place = regexp.MustCompile(`^\s*[^ :]*:[0-9]+: `)

func (o *outcome) end(who, what string, e event) {
	said := o.lines[e.Test]
	switch {
	case e.Test == "": // the binary; its status says more
		return
	case e.Action == "pass":
		o.passed++
	case e.Action == "fail":
		o.failed++
		o.explained = append(append(o.explained, "--- FAIL: "+e.Test), last(said, 60)...)
	default:
		o.skipped++
		if why := skipReason(said); why != "" {
			o.reasons["as "+who+": "+what+": "+e.Test+": "+why] = true
		}
	}
	delete(o.lines, e.Test)
}

// skipLine is the step of a script that ends it, in its log; the probes in it are the reason, and say themselves why they do
// not hold.
var skipLine = regexp.MustCompile(`^\s*> ((?:\[!?[^\]]+\]\s*)+)skip\b`)

// skipReason is why a test was skipped: by its script's last step, or by the last thing that it said at a place in its source.
// Other lines may be those of tests beside it.
func skipReason(said []string) string {
	for i := len(said) - 1; i >= 0; i-- {
		if found := skipLine.FindStringSubmatch(said[i]); found != nil {
			return strings.TrimSpace(found[1])
		}
	}
	for i := len(said) - 1; i >= 0; i-- {
		if where := place.FindString(said[i]); where != "" && strings.TrimSpace(said[i][len(where):]) != "" {
			return strings.TrimSpace(said[i][len(where):])
		}
	}
	return ""
}

func last(lines []string, most int) []string { return lines[max(0, len(lines)-most):] }
