package spec

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestDecodeErrors(t *testing.T) {
	tests := []struct{ in, want string }{
		{``, `1:1: the document ends too early, want a value`},
		{`{`, `1:2: the document ends too early, want a key in quotes`},
		{"{\n \"root\": }", `2:10: root: unexpected '}', want a value`},
		{`{"process":{"args":1}}`, `1:20: process.args: cannot be number, want array of strings`},
		{`{"process":{"args":["a",true]}}`, `process.args[1]: cannot be boolean, want string`},
		{`{"process":{"args":["a",{"x":[}]}}`, `1:31: process.args[1]: unexpected '}', want a value`},
		{`{"process":{"user":{"uid":-1}}}`, `process.user.uid: cannot be -1, want whole number of 32 bits, 0 or more`},
		{`{"process":{"user":{"uid":1.5}}}`, `process.user.uid: cannot be 1.5`},
		{`{"process":{"user":{"uid":99999999999999999999999999}}}`, `process.user.uid: cannot be 99999999999999999999999999`},
		{`{"process":{"oomScoreAdj":1e3}}`, `process.oomScoreAdj: cannot be 1e3, want whole number`},
		{`{"process":[]}`, `process: cannot be array, want object`},
		{`{"hostname":1}`, `hostname: cannot be number, want string`},
		{`{"root":{"readonly":"yes"}}`, `root.readonly: cannot be string, want true or false`},
		{`{"mounts":[{"destination":"/"},{"options":{}}]}`, `mounts[1].options: cannot be object, want array of strings`},
		{`{"annotations":{"a":1}}`, `annotations.a: cannot be number, want string`},
		{`{"linux":{"timeOffsets":{"monotonic":{"secs":"1"}}}}`, `linux.timeOffsets.monotonic.secs: cannot be string`},
		{`[]`, `1:1: cannot be array, want object`},
		{`"x"`, `1:1: cannot be string, want object`},
		{`{} {}`, `1:4: more text after the end`},
		{"{}\x00", `1:3: more text after the end`},
		{"{\"a\": \x00}", `unexpected '\x00', want a value`},
		{`{"a": 01}`, `unexpected '1'`},
		{`{"a": -}`, `unexpected '}', want a digit`},
		{`{"a": 1.}`, `want a digit`},
		{`{"a": tru}`, `want true`},
		{`{"a": "\x"}`, `want a known escape`},
		{`{"a": "\u12"}`, `want four hexadecimal digits`},
		{"{\"a\": \"\n\"}", `want no control characters`},
		{`{"a": "`, `want the closing quote`},
		{`{"a" 1}`, `want ":" after the key`},
		{`{a: 1}`, `unexpected 'a', want a key in quotes`},
		{`{"a": 1,}`, `unexpected '}', want a key in quotes`},
		{`{"a": [1,]}`, `unexpected ']', want a value`},
		{strings.Repeat("[", 5000), `cannot be`},
		{`{"a":` + strings.Repeat("[", 5000), `nested more than 200 levels deep`},
		{`{"a":` + strings.Repeat(`{"a":`, 5000), `nested more than 200 levels deep`},
	}
	for _, tt := range tests {
		var s specs.Spec
		err := Decode([]byte(tt.in), &s)
		var de *DecodeError
		if !errors.As(err, &de) {
			t.Errorf("%.60q: error %v, want a DecodeError", tt.in, err)
			continue
		}
		if tt.in != strings.Repeat("[", 5000) && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60q: error %q, want %q in it", tt.in, err, tt.want)
		}
	}
}

func TestDecodeLikeStandardLibrary(t *testing.T) {
	for _, in := range decodeSeeds(t) {
		sameAsStandard(t, []byte(in))
	}
}

func TestDecodeNeedsPointer(t *testing.T) {
	for _, v := range []any{nil, specs.Spec{}, (*specs.Spec)(nil)} {
		if err := Decode([]byte("{}"), v); err == nil {
			t.Errorf("Decode into %T: no error", v)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, in := range decodeSeeds(f) {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, data []byte) { sameAsStandard(t, data) })
}

// sameAsStandard fails when encoding/json and Decode disagree: on whether data is a Spec, or on what it
// says. Fields for other systems are set to nothing on both sides, and documents with a key given twice
// are left out: encoding/json then mixes the elements of both lists.
func sameAsStandard(t *testing.T, data []byte) {
	t.Helper()
	var got, want specs.Spec
	gotErr, wantErr := Decode(data, &got), json.Unmarshal(data, &want)
	if hasTwice(data) || deep(data) || foreign(&want) {
		return
	}
	if (gotErr == nil) != (wantErr == nil) {
		t.Fatalf("%q: Decode says %v, encoding/json says %v", data, gotErr, wantErr)
	}
	if gotErr == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%q:\n got %+v\nwant %+v", data, got, want)
	}
	if gotErr == nil {
		encodedAsStandard(t, &got)
	}
}

// encodedAsStandard fails when encoding/json and Encode say different things of a Spec.
func encodedAsStandard(t *testing.T, s *specs.Spec) {
	t.Helper()
	ours, err := Encode(s)
	theirs, theirErr := json.Marshal(s)
	if err != nil || theirErr != nil {
		t.Fatal(err, theirErr)
	}
	var got, want any
	if err := json.Unmarshal(ours, &got); err != nil {
		t.Fatalf("%s: %v", ours, err)
	}
	if err := json.Unmarshal(theirs, &want); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("encoded as\n%s, want\n%s", ours, theirs)
	}
}

// foreign tells whether encoding/json filled a field that Decode drops on purpose, or an
// error in one of them made the difference.
func foreign(s *specs.Spec) bool {
	if s.Windows != nil || s.VM != nil || s.ZOS != nil || s.FreeBSD != nil || s.Solaris != nil {
		return true
	}
	return s.Process != nil && (s.Process.CommandLine != "" || s.Process.User.Username != "")
}

func deep(data []byte) bool {
	return strings.Count(string(data), "[")+strings.Count(string(data), "{") > maxDepth
}

func hasTwice(data []byte) bool {
	d := json.NewDecoder(strings.NewReader(string(data)))
	type level struct {
		keys map[string]bool
		key  bool
	}
	var stack []level
	for {
		tok, err := d.Token()
		if err != nil {
			return false
		}
		top := len(stack) - 1
		if s, ok := tok.(string); ok && top >= 0 && stack[top].keys != nil && stack[top].key {
			// Keys match in any case, in all of Unicode's folding.
			s = strings.ToUpper(strings.ToLower(strings.ToUpper(s)))
			if stack[top].keys[s] {
				return true
			}
			stack[top].keys[s], stack[top].key = true, false
			continue
		}
		if top >= 0 {
			stack[top].key = true
		}
		switch tok {
		case json.Delim('{'):
			stack = append(stack, level{keys: map[string]bool{}, key: true})
		case json.Delim('['):
			stack = append(stack, level{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:top]
		}
	}
}

func decodeSeeds(t testing.TB) []string {
	whole, err := os.ReadFile("testdata/everything.json")
	if err != nil {
		t.Fatal(err)
	}
	def, err := indented(Default())
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		string(whole), string(def), `{}`, `null`, `{"ociVersion":null,"process":null,"mounts":null,"annotations":null}`,
		`{"OCIVERSION":"1.0.0","Process":{"ARGS":["\u0041\ud83d\ude00\ud83d","\/"]}}`, "{\"hostname\":\"\xff\xfe\"}",
		`{"process":{"rlimits":[{"hard":18446744073709551615,"soft":18446744073709551616}]}}`,
		`{"process":{"oomScoreAdj":-0,"consoleSize":{"height":-0}}}`, `{"mounts":[]}`, `{"mounts":[null]}`,
		`{"linux":{"sysctl":{"":""},"resources":{"rdma":{"x":{"hcaHandles":1}}}}}`,
		` {"unknown":[1,-2.5e+10,true,false,null,{"a":{}},"\u00e9"]} `, `{"annotations":{"a":null}}`,
	}
}
