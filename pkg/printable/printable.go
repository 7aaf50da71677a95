// Package printable is what of somebody else's words goes to a terminal, a log or a table: paths, ids, annotations, the names
// of hooks and what programs have said. Whoever chose them must not repaint a terminal (ESC, and U+009B, which is the same
// in eight bits), turn a line around (U+202E and others of category Cf), or make one line look like two.
//
// It must import nothing of ours: whatever is said goes through it.
package printable

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Text is one line of s: what does not print (unicode.IsPrint) is written as Go does, such as \n, \x1b and \u202e.
func Text(s string) string {
	at := first(s, false)
	if at == len(s) {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:at])
	for _, part := range runes(s[at:]) {
		if prints(part) {
			b.WriteString(part)
			continue
		}
		quoted := strconv.Quote(part)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// JSON is the same text as JSON, in which strings have \u for what does not print.
func JSON(text []byte) []byte {
	s := string(text)
	at := first(s, true)
	if at == len(s) {
		return text
	}
	b := append(make([]byte, 0, len(s)+64), s[:at]...)
	for _, part := range runes(s[at:]) {
		if prints(part) || structural(part[0]) {
			b = append(b, part...)
			continue
		}
		r, _ := utf8.DecodeRuneInString(part)
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
			continue
		}
		b = fmt.Appendf(b, `\u%04x`, r)
	}
	return b
}

// first is where s stops being plain ASCII.
func first(s string, json bool) int {
	for i := range len(s) {
		if c := s[i]; c < ' ' && !(json && structural(c)) || c > '~' {
			return i
		}
	}
	return len(s)
}

// structural says whether a byte that does not print stands between the values of a JSON text: in a string there is none.
func structural(c byte) bool { return c == '\n' || c == '\t' || c == '\r' }

// runes takes s apart, a byte that is no UTF-8 by itself.
func runes(s string) func(func(int, string) bool) {
	return func(yield func(int, string) bool) {
		for i := 0; i < len(s); {
			_, n := utf8.DecodeRuneInString(s[i:])
			if !yield(i, s[i:i+n]) {
				return
			}
			i += n
		}
	}
}

func prints(part string) bool {
	r, n := utf8.DecodeRuneInString(part)
	return strconv.IsPrint(r) && (r != utf8.RuneError || n > 1)
}
