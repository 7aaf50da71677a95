package printable

import (
	"encoding/json"
	"testing"
	"unicode"
)

func TestText(t *testing.T) {
	for s, want := range map[string]string{
		"":                   "",
		"a b/ü ☃ 日本":         "a b/ü ☃ 日本",
		"a\nb\tc\x1b[2J":     `a\nb\tc\x1b[2J`,
		"\u009b31m":          `\u009b31m`,
		"x\u202etxt.exe":     `x\u202etxt.exe`,
		"\u200b\ufeff\u2028": `\u200b\ufeff\u2028`,
		"\xff\xc3":           `\xff\xc3`,
		"\ufffd":             "\ufffd",
		"\U000e0041":         `\U000e0041`,
		"\x7f":               `\x7f`,
	} {
		if got := Text(s); got != want {
			t.Errorf("%q is %q, want %q", s, got, want)
		}
	}
}

// FuzzJSON: the value stays, and all that is written prints.
func FuzzJSON(f *testing.F) {
	f.Add("a", "\u009b\u202e\U000e0041\x7f\t<&>\"\\")
	f.Fuzz(func(t *testing.T, key, value string) {
		text, err := json.MarshalIndent(map[string]string{key: value}, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		got := JSON(text)
		for _, r := range string(got) {
			if !unicode.IsPrint(r) && r != '\n' && r != '\t' {
				t.Fatalf("%q", got)
			}
		}
		var was, is map[string]string
		if json.Unmarshal(text, &was) != nil || json.Unmarshal(got, &is) != nil || len(is) != 1 {
			t.Fatalf("%q", got)
		}
		for k, v := range was {
			if is[k] != v {
				t.Fatalf("%q became %q", was, is)
			}
		}
	})
}
