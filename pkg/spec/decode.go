package spec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"sandbox/pkg/printable"
)

// maxDepth bounds nesting, and so the decoder's stack. A runtime configuration is eight levels deep;
// encoding/json allows 10,000.
const maxDepth = 200

// Decode parses one JSON value into v, a non-nil pointer, as encoding/json does (unknown keys are
// ignored, keys match case-insensitively, null leaves a value alone), for the types configurations are
// made of: structs, slices, maps with string keys, pointers, strings, integers and booleans.
//
// Why not encoding/json: its first Unmarshal into specs.Spec builds an encoder and a decoder for every
// type the Spec can reach, Windows and z/OS included. That was 1 ms of a 5.5 ms container start; this
// decoder looks only at types the document uses, in about 0.15 ms. It also knows the whole path of a
// wrong value (process.args[2]) where encoding/json knows field names only.
//
// Fields whose platform tag does not contain "linux" are checked for syntax and dropped.
// Errors are [*DecodeError].
func Decode(data []byte, v any) error {
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("decoding into %T: want a non-nil pointer", v)
	}
	d := decoder{data: data}
	err := d.value(target.Elem(), 0)
	if err == nil && d.space() != end {
		err = d.fail("more text after the end of the JSON document")
	}
	return err
}

// DecodeError says where a document stopped making sense.
type DecodeError struct {
	Line, Column int    // from 1; the column counts bytes
	Field        string // such as process.args[0]; empty for errors of syntax at the top
	Problem      string
}

func (e *DecodeError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Problem)
	}
	return fmt.Sprintf("%d:%d: %s: %s", e.Line, e.Column, e.Field, e.Problem)
}

// end is what peeking finds behind the last byte. A NUL in the document is just as wrong there.
const end = 0

type decoder struct {
	data []byte
	pos  int
	// path leads to the current value. It becomes text only when there is an error to tell.
	path   []step
	fields map[reflect.Type][]field
}

// step is one step of a path: a key, or an index when the key is empty.
type step struct {
	key   string
	index int
}

func (d *decoder) fail(format string, args ...any) error { return d.failAt(d.pos, format, args...) }

func (d *decoder) failAt(pos int, format string, args ...any) error {
	e := &DecodeError{Line: 1, Column: 1, Problem: fmt.Sprintf(format, args...)}
	for _, b := range d.data[:min(pos, len(d.data))] {
		e.Column++
		if b == '\n' {
			e.Line, e.Column = e.Line+1, 1
		}
	}
	for _, s := range d.path {
		if s.key == "" {
			e.Field += "[" + strconv.Itoa(s.index) + "]"
		} else {
			e.Field += "." + printable.Text(s.key)
		}
	}
	e.Field = strings.TrimPrefix(e.Field, ".")
	return e
}

// unexpected names the byte at the current position, or the early end of the document.
func (d *decoder) unexpected(want string) error {
	if d.pos >= len(d.data) {
		return d.fail("the document ends too early, want %s", want)
	}
	r, _ := utf8.DecodeRune(d.data[d.pos:])
	return d.fail("unexpected %q, want %s", r, want)
}

func (d *decoder) peek() byte {
	if d.pos < len(d.data) {
		return d.data[d.pos]
	}
	return end
}

// space skips white space and returns the byte behind it.
func (d *decoder) space() byte {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return max(d.data[d.pos], 1) // a NUL byte must not pass for the end
		}
	}
	return end
}

func (d *decoder) value(v reflect.Value, depth int) error {
	c := d.space()
	if c == 'n' {
		return d.null(v)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return d.value(v.Elem(), depth)
	case reflect.Struct, reflect.Map:
		if c == '{' {
			return d.object(v, depth+1)
		}
	case reflect.Slice:
		if c == '[' {
			return d.array(v, depth+1)
		}
	case reflect.String:
		if c == '"' {
			s, err := d.str()
			v.SetString(s)
			return err
		}
	case reflect.Bool:
		if c == 't' || c == 'f' {
			v.SetBool(c == 't')
			return d.skip(0)
		}
	default:
		if c == '-' || c >= '0' && c <= '9' {
			return d.integer(v)
		}
	}
	return d.mismatch(v)
}

func (d *decoder) null(v reflect.Value) error {
	if err := d.skip(0); err != nil {
		return err
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		v.SetZero()
	}
	return nil
}

// mismatch is the error for a well-formed value of the wrong type; a malformed one is told as such.
func (d *decoder) mismatch(v reflect.Value) error {
	at, got := d.pos, jsonName(d.peek())
	if err := d.skip(0); err != nil {
		return err
	}
	return d.failAt(at, "cannot be %s, want %s", got, goName(v.Type()))
}

func (d *decoder) integer(v reflect.Value) error {
	start := d.pos
	if err := d.skip(0); err != nil {
		return err
	}
	text, ok := string(d.data[start:d.pos]), false
	switch {
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		v.SetInt(n)
		ok = err == nil
	case v.CanUint():
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		v.SetUint(n)
		ok = err == nil
	}
	if !ok {
		return d.failAt(start, "cannot be %s, want %s", text, goName(v.Type()))
	}
	return nil
}

func (d *decoder) array(v reflect.Value, depth int) error {
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	return d.elements(depth, func(i int) error {
		v.Grow(1)
		v.SetLen(i + 1)
		d.path = append(d.path, step{index: i})
		e := v.Index(i)
		if d.space() == 'n' && e.Kind() != reflect.Pointer && e.Kind() != reflect.Struct {
			return d.mismatch(e) // it would be a zero, which is an id or an empty word
		}
		err := d.value(e, depth)
		if err == nil {
			d.path = d.path[:len(d.path)-1]
		}
		return err
	})
}

func (d *decoder) object(v reflect.Value, depth int) error {
	isMap := v.Kind() == reflect.Map
	if isMap && v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	return d.members(depth, func(key string) error {
		d.path = append(d.path, step{key: key})
		var err error
		if isMap {
			err = d.entry(v, key, depth)
		} else if f := d.field(v.Type(), key); f != nil {
			err = d.value(v.FieldByIndex(f.index), depth)
		} else {
			err = d.skip(depth)
		}
		if err == nil {
			d.path = d.path[:len(d.path)-1]
		}
		return err
	})
}

func (d *decoder) entry(m reflect.Value, key string, depth int) error {
	item := reflect.New(m.Type().Elem()).Elem()
	if err := d.value(item, depth); err != nil {
		return err
	}
	m.SetMapIndex(reflect.ValueOf(key).Convert(m.Type().Key()), item)
	return nil
}

// str reads a string. Strings with an escape or broken UTF-8 are rare, and left to encoding/json, which
// has the surrogate pairs and replacement characters right.
func (d *decoder) str() (string, error) {
	start, plain := d.pos, true
	if err := d.skipString(&plain); err != nil {
		return "", err
	}
	raw := d.data[start:d.pos]
	if plain {
		return string(raw[1 : len(raw)-1]), nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", d.failAt(start, "%v", err)
	}
	return s, nil
}
