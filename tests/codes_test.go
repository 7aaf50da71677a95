package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// cause is one code that the binary prints, and how somebody comes to see it.
type cause struct {
	code  string
	who   string // "root" or "user": who can bring it about; "" for everybody
	needs string // probes
	in    string // the command that runs do
	do    string // lines of sh; the last one is refused by the program under test
	ok    bool   // or goes on without
	says  string // what stands behind the code: the evidence
	typed string // lines of sh that do what a fix says, behind the refusal: all of them work
}

const (
	nested = "unshare -Urm" // root of a user namespace, with mounts of its own
	own    = "unshare -m"   // root, with mounts of its own
)

// withAnn is for root, who makes a host in which ann types.
func withAnn(code, do, says string) cause {
	return cause{code: code, who: "root", needs: "exec:setpriv", in: own, do: "ann_lives\n" + do, says: says}
}

// TestCodes has every code of a cause printed by the program under test, as somebody could see it. The list is the program's
// own, so that a code is there for nobody who cannot come to it.
func TestCodes(t *testing.T) {
	h := &harness{bin: binary(t), callers: self(), machine: newMachine()}
	out, err := exec.Command(h.bin, "explain", "--format", "json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var known []struct{ Code string }
	if err := json.Unmarshal(out, &known); err != nil || len(known) == 0 {
		t.Fatalf("%d codes, %v", len(known), err)
	}
	all := slices.Concat(nameCodes, idCodes, mountCodes, placeCodes, shownCodes)
	for _, k := range known {
		if !slices.ContainsFunc(all, func(c cause) bool { return c.code == k.Code }) {
			t.Errorf("%s: nothing shows that anybody can come to it", k.Code)
		}
	}
	words, err := os.ReadFile("testdata/codes.sh")
	if err != nil {
		t.Fatal(err)
	}
	dir, files := t.TempDir(), []string(nil)
	for i, c := range all {
		if !slices.ContainsFunc(known, func(k struct{ Code string }) bool { return c.code == k.Code }) {
			t.Errorf("%s: no such code", c.code)
		}
		file := filepath.Join(dir, c.code+".txtar")
		if slices.Contains(files, file) {
			file = filepath.Join(dir, fmt.Sprintf("%s-%d.txtar", c.code, i))
		}
		if err := os.WriteFile(file, []byte(c.script(string(words))), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	p := h.params(files)
	p.Setup = func(env *testscript.Env) error {
		program, err := os.Executable()
		env.Setenv("TEST", program)
		if err != nil {
			return err
		}
		return h.setup(env)
	}
	testscript.Run(t, p)
}

// script is a testscript with the cause; words are what do is written in.
func (c cause) script(words string) string {
	var b strings.Builder
	probes := append(strings.Fields(c.who+" "+c.needs), "busybox", "exec:jq")
	if c.in != "" {
		probes = append(probes, "userns", "hostmounts")
	}
	for _, probe := range probes {
		fmt.Fprintf(&b, "[!probe:%s] skip\n", probe)
	}
	not := "! "
	if c.ok {
		not = ""
	}
	fmt.Fprintf(&b, "rootfs r\n%sexec %s sh -e do\nstderr '[[(]%s[])].*%s'\n-- do --\n. ./words\n%s\n-- words --\n%s", not, c.in, c.code, c.says, c.do, words)
	if c.typed == "" {
		return b.String()
	}
	lines := strings.Split(strings.Trim(c.do, "\n"), "\n")
	last := len(lines) - 1
	fmt.Fprintf(&b, "\n-- typed --\n. ./words\n%s\n{ %s; } 2>refused && exit 3\n%s\n", strings.Join(lines[:last], "\n"), lines[last], c.typed)
	return strings.Replace(b.String(), "-- do --", "exec "+c.in+" sh -e typed\n-- do --", 1)
}

// fixedBy is the cause with what is typed then.
func (c cause) fixedBy(typed string) cause {
	c.typed = typed
	return c
}
