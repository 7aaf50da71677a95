package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestRead has a log as a test binary writes it, with tests side by side.
func TestRead(t *testing.T) {
	log := `=== RUN   TestScripts
=== RUN   TestScripts/limits
=== PAUSE TestScripts/limits
=== RUN   TestScripts/pods
=== PAUSE TestScripts/pods
=== CONT  TestScripts/limits
    cmd.go:382: 
    testscript.go:609: WORK=$WORK
        ID=646658045-3333
        
        > [!probe:memory] [!root] skip
        
=== CONT  TestScripts/pods
    testscript.go:609: > exec false
        FAIL: pods.txtar:3: unexpected command failure
=== NAME  TestScripts/limits
        --- PASS: TestScripts/exec
        
=== RUN   TestShort
    x_test.go:7: hundreds of starts
        
--- SKIP: TestShort (0.00s)
--- FAIL: TestScripts (0.00s)
    --- FAIL: TestScripts/pods (0.01s)
    --- SKIP: TestScripts/limits (0.01s)
=== RUN   TestOther
SKIP-PROBE vm: not in the machine
--- PASS: TestOther (0.00s)
FAIL
LEFT-GROUP /sys/fs/cgroup/sandbox-x
`
	c := exec.Command("go", "tool", "test2json")
	c.Stdin = strings.NewReader(log)
	events, err := c.Output()
	if err != nil {
		t.Skip("SKIP-PROBE go: " + err.Error())
	}
	o, err := read(strings.NewReader(string(events)), "ann", "scripts")
	if err != nil {
		t.Fatal(err)
	}
	if o.passed != 1 || o.failed != 2 || o.skipped != 2 || o.left != 1 {
		t.Errorf("%d passed, %d failed, %d skipped, %d left", o.passed, o.failed, o.skipped, o.left)
	}
	if len(o.reasons) != 3 {
		t.Errorf("reasons of others: %v", o.reasons)
	}
	for _, want := range []string{"as ann: vm: not in the machine", "as ann: scripts: TestScripts/limits: [!probe:memory] [!root]", "as ann: scripts: TestShort: hundreds of starts"} {
		if !o.reasons[want] {
			t.Errorf("no reason %q in %v", want, o.reasons)
		}
	}
	if text := strings.Join(o.explained, "\n"); !strings.Contains(text, "pods.txtar:3: unexpected command failure") || !strings.Contains(text, "LEFT-GROUP") || strings.Contains(text, "memory controller") {
		t.Errorf("explained by:\n%s", text)
	}
}
