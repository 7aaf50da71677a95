package worktree

import (
	"slices"
	"strings"
	"testing"
)

// TestExecLines: a line runs a program however it is written.
func TestExecLines(t *testing.T) {
	for text, want := range map[string]int{
		"pick 1 exec x\n# exec x\nedit 2\n": 0, "exec x\n": 1, "exec\tx\n": 1, " \t x y": 1, "x\n": 1, "exec\rx\n": 1, "execx y\nxy z\n": 0, "exec\vx\n": 1, "exec\x00x\n": 1, "pick 1\nx a\nexec b": 2,
	} {
		if got := execLines([]byte(text)); len(got) != want {
			t.Errorf("%q: %q, want %d", text, got, want)
		}
	}
}

// gitTakesFor is git's own is_command (sequencer.c), with the white space that parse_insn_line leaves out before it.
func gitTakesFor(line, command, nick string) bool {
	line = strings.TrimLeft(line, " \t")
	for _, word := range []string{command, nick} {
		if rest, ok := strings.CutPrefix(line, word); ok && (rest == "" || strings.ContainsAny(rest[:1], " \t\n\r\x00")) {
			return true
		}
	}
	return false
}

// FuzzPending: what git would run is found, and no input hangs or panics.
func FuzzPending(f *testing.F) {
	for _, text := range []string{"pick 1\nexec x\n", "\tx\ty", "exec", "[options]\n\tstrategy = x/e\n", "[options]\n\tgpg-sign = -x\n", "ort\n", "1 2 3 4 \"/x\"\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		found := execLines(data)
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSuffix(line, "\n")
			if gitTakesFor(line, "exec", "x") && !slices.Contains(found, strings.TrimLeft(line, " \t")) {
				t.Errorf("%q of %q is not found", line, data)
			}
		}
		if s := foreignStrategy(data); s == nil && strings.ContainsAny(string(data), "/") {
			t.Errorf("strategy %q", data)
		}
		vars, err := parseConfig(data)
		for _, v := range vars {
			if v.name() == "options.strategy" && strings.Contains(v.value, "/") && len(foreignOptions(data)) == 0 {
				t.Errorf("options %q", data)
			}
		}
		if err != nil && len(foreignOptions(data)) == 0 {
			t.Errorf("options %q, which git may read in another way", data)
		}
	})
}

// TestForeign: what is git's own is left, and what is the name of a program is not.
func TestForeign(t *testing.T) {
	for name, found := range map[string]int{
		"": len(foreignStrategy(nil)), "ort": len(foreignStrategy([]byte("ort\n"))), "-Sabc": len(foreignKey([]byte("-Sabc\n"))), "-S": len(foreignKey([]byte("-S\n"))),
		"plain": len(foreignOptions([]byte("[options]\n\tsignoff = true\n\tstrategy = ours\n\tstrategy-option = theirs\n"))),
	} {
		if found != 0 {
			t.Errorf("%q is taken for a program", name)
		}
	}
	for name, found := range map[string]int{
		"x/e": len(foreignStrategy([]byte("x/e\n"))), "two lines": len(foreignStrategy([]byte("ort\nx"))), "-x": len(foreignKey([]byte("-S-x\n"))), "no key": len(foreignKey([]byte("x"))),
		"option": len(foreignOptions([]byte("[options]\n\tstrategy = x\n"))), "no configuration": len(foreignOptions([]byte("[options\n"))),
	} {
		if found == 0 {
			t.Errorf("%q is not taken for a program", name)
		}
	}
}
