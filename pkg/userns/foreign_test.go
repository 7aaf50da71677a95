package userns

import (
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// TestForeignWords: whoever else has the child's socket, a payload that may trace, says nothing that counts, and brings
// nobody down.
func TestForeignWords(t *testing.T) {
	p := plan.New()
	p.Act("the plan's words")
	p.Prctl(unix.PR_SET_DUMPABLE, plan.C(0)) // 0
	p.Note(plan.NoteBorn)                    // 1
	p.Gate("ready")                          // 2
	p.Note(plan.NoteInit)                    // 3
	p.Note(plan.NoteExec)                    // 4
	for name, c := range map[string]struct {
		packet  packet
		foreign bool
	}{
		"a step that is not there":   {packet{kind: packetNote, step: 5, file: -1}, true},
		"a failure that is no step":  {packet{kind: packetFail, step: 1 << 31, file: -1}, true},
		"a note that is a gate":      {packet{kind: packetNote, step: 2, file: -1}, true},
		"a gate that is a call":      {packet{kind: packetGate, step: 0, file: -1}, true},
		"a kind that is none":        {packet{kind: 9, step: 2, file: -1}, true},
		"born twice":                 {packet{kind: packetNote, step: 1, pid: 1, file: -1}, true},
		"an init after the payload":  {packet{kind: packetNote, step: 3, pid: 1, file: -1}, true},
		"a file that nobody awaits":  {packet{kind: packetFile, step: 0, file: -1}, false},
		"what the child itself says": {packet{kind: packetNote, step: 4, file: -1}, false},
	} {
		b := &birth{Request: Request{Plan: p}, child: &Child{Pid: 77, Payload: 78}}
		_, err := b.hear(c.packet)
		if errors.Is(err, errForeign) != c.foreign {
			t.Errorf("%s: %v", name, err)
		}
		if b.child.Pid != 77 || b.child.Payload != 78 {
			t.Errorf("%s: the child is %+v", name, b.child)
		}
	}
	b := &birth{Request: Request{Plan: p}, child: &Child{}}
	_, err := b.hear(packet{kind: packetFail, step: 0, errno: unix.EPERM, words: "theirs", file: -1})
	if err == nil || !strings.HasPrefix(err.Error(), "the plan's words (step 0, prctl)") {
		t.Errorf("a failure is told as %v", err)
	}
}

// TestPrintable hears a failure from somebody whose plan we do not have.
func TestPrintable(t *testing.T) {
	ours, theirs, err := pair()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ours)
	text := append(make([]byte, header), "a\x1b[2Jb\n\u009bc"...)
	text[0] = packetFail
	if _, err := unix.Write(theirs, text); err != nil {
		t.Fatal(err)
	}
	unix.Close(theirs)
	var step *Error
	if err := Outcome(ours, 0, nil); !errors.As(err, &step) || step.Act != `a\x1b[2Jb\n\u009bc` {
		t.Errorf("%v", err)
	}
	if err := Outcome(ours, 0, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("at the end: %v", err)
	}
}
