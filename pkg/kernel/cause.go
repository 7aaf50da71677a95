package kernel

import (
	"strings"

	"sandbox/pkg/printable"
)

// Audience is who can apply a fix.
type Audience string

// A fix is for the person who typed the command, for the one who has root on
// the host, or for whoever wrote the container or pod we are running in.
const (
	You   Audience = "you"
	Admin Audience = "admin"
	Pod   Audience = "pod"
)

// Fix is one way out.
type Fix struct {
	For Audience `json:"for"`
	// Do is one line: a command, a configuration line or a flag.
	Do string `json:"do"`
	// More is what does not fit on a line, such as the text of a file.
	More string `json:"more,omitempty"`
}

// Cause is why something failed or was lost on this host.
type Cause struct {
	Code    Code   `json:"code"`
	Summary string `json:"summary"`
	// Evidence is what was read from the host, one fact each, such as
	// "user.max_user_namespaces = 0". Empty in causes that only explain.
	Evidence []string `json:"evidence,omitempty"`
	Fixes    []Fix    `json:"fixes,omitempty"`
}

// New is the cause with that code and the evidence the caller saw. It is for
// losses that have no errno, such as "no network yet"; after a failed step ask
// [Host.Explain]. Fixes with words that only the host could fill are left out. A
// code that is not in the table gives a cause that says so, since a broken report
// must not hide the failure being reported.
func New(code Code, evidence ...string) Cause {
	return fill(code, nil, evidence...)
}

// NewAt is New for a cause whose fixes name a path.
func NewAt(code Code, path string, evidence ...string) Cause {
	return fill(code, []string{"PATH", shellWord(path)}, evidence...)
}

// Lookup is the cause named by a code in any letter case, without evidence.
func Lookup(code string) (Cause, bool) {
	want := Code(strings.ToUpper(strings.TrimSpace(code)))
	if entryOf(want) == nil {
		return Cause{}, false
	}
	return general(want), true
}

// List is every known cause, without evidence, in the order of the table.
func List() []Cause {
	all := make([]Cause, 0, len(table))
	for i := range table {
		all = append(all, general(table[i].code))
	}
	return all
}

func entryOf(code Code) *entry {
	for i := range table {
		if table[i].code == code {
			return &table[i]
		}
	}
	return nil
}

// missing stands for a word that has no value here. It is no text that a host could have.
const missing = "\x00"

// fill makes a cause from its table entry. Words in the fixes such as {PATH} are
// replaced from vars (name, value, name, value...). A fix with a word that has no
// value, or an empty one, is not for this host and this caller, and left out: nobody
// can type it.
func fill(code Code, vars []string, evidence ...string) Cause {
	return fillWith(code, vars, func(w word) string { return pick(w.usual == "", missing, w.usual) }, evidence)
}

// general is the cause as it is explained without a host: words stay bare.
func general(code Code) Cause {
	return fillWith(code, nil, func(w word) string { return pick(w.usual == "", w.bare, w.usual) }, nil)
}

func fillWith(code Code, vars []string, other func(word) string, evidence []string) Cause {
	e := entryOf(code)
	if e == nil {
		return Cause{Code: code, Summary: "unlisted cause", Evidence: oneLine(evidence)}
	}
	pairs := append(make([]string, 0, len(vars)+2*len(words)+2), "{CODE}", string(code))
	for i := 0; i+1 < len(vars); i += 2 {
		pairs = append(pairs, "{"+vars[i]+"}", pick(vars[i+1] == "", missing, vars[i+1]))
	}
	for _, w := range words {
		pairs = append(pairs, "{"+w.name+"}", other(w))
	}
	r := strings.NewReplacer(pairs...)
	c := Cause{Code: code, Summary: e.summary, Evidence: oneLine(evidence)}
	for _, f := range e.fixes {
		if do := r.Replace(f.Do); !strings.Contains(do, missing) {
			c.Fixes = append(c.Fixes, Fix{f.For, printable.Text(strings.ReplaceAll(do, Holds, "")), r.Replace(f.More)})
		}
	}
	return c
}

// String is the cause on one line: summary [CODE]: evidence; fix: (who) what.
func (c Cause) String() string {
	var b strings.Builder
	b.WriteString(c.Summary + " [" + string(c.Code) + "]")
	if len(c.Evidence) > 0 {
		b.WriteString(": " + strings.Join(c.Evidence, ", "))
	}
	for i, f := range c.Fixes {
		b.WriteString(pick(i == 0, "; fix: (", "; or (") + string(f.For) + ") " + f.Do)
	}
	return b.String()
}

// Long is the cause for reading: several lines, ending in a newline.
func (c Cause) Long() string {
	var b strings.Builder
	b.WriteString(string(c.Code) + ": " + c.Summary + "\n")
	if e := entryOf(c.Code); e != nil {
		b.WriteString("\n" + e.why + "\n")
	}
	if len(c.Evidence) > 0 {
		b.WriteString("\nseen here:\n  " + strings.Join(c.Evidence, "\n  ") + "\n")
	}
	for _, f := range c.Fixes {
		b.WriteString("\nfix (" + string(f.For) + "):\n  " + f.Do + "\n")
		if f.More != "" {
			b.WriteString("\n    " + strings.ReplaceAll(f.More, "\n", "\n    ") + "\n")
		}
	}
	return b.String()
}

// oneLine keeps evidence printable on one line: it quotes paths and labels that
// somebody else chose.
func oneLine(evidence []string) []string {
	out := make([]string, 0, len(evidence))
	for _, e := range evidence {
		if e != "" {
			out = append(out, printable.Text(e))
		}
	}
	return out
}

func pick[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}
