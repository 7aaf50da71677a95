package main

import (
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestVerbOf(t *testing.T) {
	for line, want := range map[string]string{
		"run -- true": "run", "--root /x run": "run", "--root=/x --debug list": "list", "-log f state x": "state", "--helper ps=/x exec": "exec",
		"": "", "--debug": "", "--root": "", "-- run": "run",
	} {
		if got := verbOf(strings.Fields(line)); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestLongFlags(t *testing.T) {
	for line, want := range map[string]string{
		"-root /x run -bundle b id":         "--root /x run --bundle b id",
		"run -it -v a:b -pid-file=p id":     "run -it -v a:b --pid-file=p id",
		"exec id ls -format":                "exec id ls -format", // the payload's
		"run -- cmd -root":                  "run -- cmd -root",
		"-log -log create -no-subreaper id": "--log -log create --no-subreaper id",
	} {
		if got := strings.Join(longFlags(strings.Fields(line)), " "); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if !asksVersion([]string{"--root", "x", "-v", "nonsense"}) || asksVersion([]string{"run", "-v", "a:b"}) {
		t.Error("whose -v it is")
	}
	if file, format := logOf([]string{"-log", "f", "--log-format=json", "nonsense", "--log", "g"}); file != "f" || format != "json" {
		t.Errorf("the log is %q, %q", file, format)
	}
}

// TestVerbs: each is found by its name and alias, and says itself what has to be known before its flags are.
func TestVerbs(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range (&app{}).verbs() {
		for _, name := range []string{v.name(), v.alias} {
			if name != "" && seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
		if v.short == "" || v.build == nil {
			t.Errorf("%s has no text or nothing to build", v.name())
		}
	}
	for name, want := range map[string]trait{"run": sealed, "exec": sealed, "start": sealed | loud, "rm": loud, "list": 0, "nonsense": 0, "": 0} {
		a := &app{verb: name}
		if a.is(sealed) != (want&sealed != 0) || a.is(loud) != (want&loud != 0) {
			t.Errorf("%s: sealed %v, loud %v", name, a.is(sealed), a.is(loud))
		}
	}
	for name, says := range map[string]string{"run": "", "ls": "", "help": "", "__complete": "", "stat": "did you mean start or state", "pausee": "did you mean pause", "nothing-like": `unknown command "nothing-like"; "sandbox`,
		"stop": "`sandbox kill ID`", "logs": "output is not kept", "build": "buildah bud", "restore": "checkpoints are not there yet"} {
		err := (&app{}).known(name, nil)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestElsewhere: what people know from other programs leads to commands that there are.
func TestElsewhere(t *testing.T) {
	for name := range elsewhere() {
		if (&app{}).find(name) != nil {
			t.Errorf("%s is a command", name)
		}
	}
	for name, like := range alike() {
		if (&app{}).find(name) != nil || elsewhere()[like] == "" {
			t.Errorf("%s is a command, or %s has no text", name, like)
		}
	}
	for name, text := range elsewhere() {
		for i, part := range strings.Split(text, "`sandbox ") {
			verb, _, _ := strings.Cut(part, " ")
			if i > 0 && (&app{}).find(strings.TrimRight(verb, "`,")) == nil {
				t.Errorf("%s: there is no command %q", name, verb)
			}
		}
	}
	err := (&app{}).known("foo", []string{"foo", "-h"})
	if err == nil || !strings.Contains(err.Error(), "No help topic for 'foo'") {
		t.Errorf("help of nothing: %v", err)
	}
}

// TestOneLine: what is told is one line that repaints no terminal, whatever is in it.
func TestOneLine(t *testing.T) {
	if got := oneLine(" a\nb\x1b[2J\x00c\td \n"); got != `a; b\x1b[2J\x00c\td` {
		t.Errorf("got %q", got)
	}
	if got := oneLine(strings.Repeat("x", 9000)); len(got) > 4100 || !strings.HasSuffix(got, "...") {
		t.Errorf("%d bytes", len(got))
	}
}

func TestFindOriginal(t *testing.T) {
	for _, value := range []string{"", "x", "/a/path", "x /a"} {
		if o := findOriginal(value); o.path != "" || o.fd != -1 {
			t.Errorf("%q: %+v", value, o)
		}
	}
	if o := findOriginal("-1 /a b"); o != (original{-1, "/a b"}) {
		t.Errorf("without a descriptor: %+v", o)
	}
	var ends [2]int
	if err := unix.Pipe(ends[:]); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ends[1])
	defer unix.Close(ends[0])
	o := findOriginal(strconv.Itoa(ends[0]) + " /a")
	if flags, err := unix.FcntlInt(uintptr(ends[0]), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 || o.fd != ends[0] {
		t.Errorf("%+v goes on to our children: %v", o, err)
	}
	h, err := o.open()
	if err != nil {
		t.Fatal(err)
	}
	h.Close()
}

func TestPrograms(t *testing.T) {
	var p programs
	if err := p.Set("slirp4netns=/opt/bin/slirp4netns"); err != nil || p["slirp4netns"] != "/opt/bin/slirp4netns" {
		t.Errorf("%v, %v", p, err)
	}
	for _, bad := range []string{"", "slirp4netns", "slirp4netns=", "slirp4netns=relative", "nothing=/x"} {
		if err := p.Set(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if len(p) != 1 {
		t.Errorf("left: %v", p)
	}
}
