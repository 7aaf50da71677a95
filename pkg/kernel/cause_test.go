package kernel

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Codes are in scripts and issue reports: this list only grows.
func TestCodesAreStable(t *testing.T) {
	golden, err := os.ReadFile("testdata/codes.golden")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	var list []string
	for _, c := range List() {
		if have[string(c.Code)] {
			t.Errorf("%s is in the table twice", c.Code)
		}
		have[string(c.Code)] = true
		list = append(list, string(c.Code))
	}
	if got := strings.Join(list, "\n") + "\n"; got != string(golden) {
		t.Errorf("codes changed: add new ones to testdata/codes.golden, never rename one\n%s", got)
	}
}

// Every constant in codes.go has its entry, and no entry has a code of its own.
func TestEveryCodeHasAnEntry(t *testing.T) {
	source, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	consts := regexp.MustCompile(`= "(SBX-[A-Z0-9-]+)"`).FindAllStringSubmatch(string(source), -1)
	for _, m := range consts {
		if _, ok := Lookup(m[1]); !ok {
			t.Errorf("%s has no entry in the table", m[1])
		}
	}
	if len(consts) != len(List()) {
		t.Errorf("%d constants, %d entries", len(consts), len(List()))
	}
}

func TestTableTexts(t *testing.T) {
	for _, c := range List() {
		long := c.Long()
		for _, text := range []string{c.String(), long} {
			assertQuiet(t, text)
			if regexp.MustCompile(`\{[A-Z]+\}`).MatchString(text) {
				t.Errorf("%s has an unknown word in braces: %s", c.Code, text)
			}
		}
		if strings.Contains(c.String(), "\n") {
			t.Errorf("%s is not one line: %q", c.Code, c.String())
		}
		if c.Summary == "" || strings.HasSuffix(c.Summary, ".") || len(c.Fixes) == 0 || len(entryOf(c.Code).why) < 20 {
			t.Errorf("%s lacks a summary, a reason or a fix: %+v", c.Code, c)
		}
		for _, f := range c.Fixes {
			if f.For != You && f.For != Admin && f.For != Pod || f.Do == "" {
				t.Errorf("%s has a fix for nobody: %+v", c.Code, f)
			}
		}
		if !strings.HasPrefix(long, string(c.Code)+": ") || !strings.HasSuffix(long, "\n") || !strings.Contains(long, "fix (") {
			t.Errorf("%s: long form %q", c.Code, long)
		}
	}
}

func TestCauseForms(t *testing.T) {
	c := fill(UsernsMax, nil, "user.max_user_namespaces = 0")
	want := "user namespaces are switched off on this host [SBX-USERNS-MAX]: user.max_user_namespaces = 0; fix: (admin) sudo sysctl -w user.max_user_namespaces=15000"
	if c.String() != want {
		t.Errorf("got  %s\nwant %s", c, want)
	}
	for _, part := range []string{"seen here:\n  user.max_user_namespaces = 0\n", "fix (admin):\n  sudo sysctl", "/etc/sysctl.d/90-userns.conf"} {
		if !strings.Contains(c.Long(), part) {
			t.Errorf("%q is not in %s", part, c.Long())
		}
	}
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	wantJSON := `{"code":"SBX-USERNS-MAX","summary":"user namespaces are switched off on this host","evidence":["user.max_user_namespaces = 0"],"fixes":[{"for":"admin","do":"sudo sysctl -w user.max_user_namespaces=15000","more":"to keep it:`
	if !strings.HasPrefix(string(data), wantJSON) {
		t.Errorf("got %s", data)
	}
	if list := New(NetworkNone); len(list.Evidence) != 0 || strings.Contains(list.String(), "]:") {
		t.Errorf("evidence out of nothing: %s", list)
	}
}

func TestLookup(t *testing.T) {
	if c, ok := Lookup(" sbx-userns-max\n"); !ok || c.Code != UsernsMax {
		t.Errorf("got %v %v", c, ok)
	}
	for _, bad := range []string{"", "SBX-", "SBX-NOPE"} {
		if _, ok := Lookup(bad); ok {
			t.Errorf("found %q", bad)
		}
	}
	if c := New("SBX-NOPE", "x"); c.Summary == "" || c.Evidence[0] != "x" {
		t.Errorf("a broken code must still report: %+v", c)
	}
}

// Paths and labels come from whoever made them.
func TestEvidenceCannotForgeLines(t *testing.T) {
	c := New(RuntimeForeign, "/tmp/x\n\x1b[2Jall is well\u009b", "", "ok")
	if got := c.Evidence; len(got) != 2 || got[0] != `/tmp/x\n\x1b[2Jall is well\u009b` {
		t.Errorf("got %q", got)
	}
	filled := fill(OverlayNested, []string{"PATH", "/a\nb"})
	if strings.Contains(filled.String(), "\n") {
		t.Errorf("got %q", filled.String())
	}
}

func TestRefusal(t *testing.T) {
	below := fmt.Errorf("creating user\nnamespace: %w", unix.ENOSPC)
	err := error(&Refusal{New(UsernsMax, "user.max_user_namespaces = 0"), below})
	if !errors.Is(err, unix.ENOSPC) {
		t.Error("the errno is lost")
	}
	var r *Refusal
	if !errors.As(fmt.Errorf("run: %w", err), &r) || r.Cause.Code != UsernsMax {
		t.Error("the cause is lost")
	}
	if text := err.Error(); strings.Contains(text, "\n") || !strings.HasPrefix(text, "creating user; namespace: no space left on device: user namespaces are switched off") {
		t.Errorf("got %q", text)
	}
	if bare := (&Refusal{Cause: New(UsernsMax)}); bare.Error() != New(UsernsMax).String() || bare.Unwrap() != nil {
		t.Errorf("got %q", bare.Error())
	}
}
