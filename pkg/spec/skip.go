package spec

import (
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// skip moves behind one value of any type, checking its syntax only.
func (d *decoder) skip(depth int) error {
	switch c := d.space(); {
	case c == '{':
		return d.members(depth+1, func(string) error { return d.skip(depth + 1) })
	case c == '[':
		return d.elements(depth+1, func(int) error { return d.skip(depth + 1) })
	case c == '"':
		plain := true
		return d.skipString(&plain)
	case c == 't':
		return d.word("true")
	case c == 'f':
		return d.word("false")
	case c == 'n':
		return d.word("null")
	case c == '-' || c >= '0' && c <= '9':
		return d.skipNumber()
	}
	return d.unexpected("a value")
}

func (d *decoder) word(w string) error {
	for i := range len(w) {
		if d.peek() != w[i] {
			return d.unexpected(w)
		}
		d.pos++
	}
	return nil
}

// members walks an object; the position is at its brace. Each is called with the position before the
// value and must move behind it.
func (d *decoder) members(depth int, each func(key string) error) error {
	if depth > maxDepth {
		return d.fail("nested more than %d levels deep", maxDepth)
	}
	d.pos++
	if d.space() == '}' {
		d.pos++
		return nil
	}
	for {
		if d.space() != '"' {
			return d.unexpected(`a key in quotes`)
		}
		key, err := d.str()
		if err != nil {
			return err
		}
		if d.space() != ':' {
			return d.unexpected(`":" after the key`)
		}
		d.pos++
		if err := each(key); err != nil {
			return err
		}
		switch d.space() {
		case ',':
			d.pos++
		case '}':
			d.pos++
			return nil
		default:
			return d.unexpected(`"," or "}"`)
		}
	}
}

// elements is members for arrays.
func (d *decoder) elements(depth int, each func(i int) error) error {
	if depth > maxDepth {
		return d.fail("nested more than %d levels deep", maxDepth)
	}
	d.pos++
	if d.space() == ']' {
		d.pos++
		return nil
	}
	for i := 0; ; i++ {
		if err := each(i); err != nil {
			return err
		}
		switch d.space() {
		case ',':
			d.pos++
		case ']':
			d.pos++
			return nil
		default:
			return d.unexpected(`"," or "]"`)
		}
	}
}

// skipString clears plain when the text between the quotes is not the string's value as it stands.
func (d *decoder) skipString(plain *bool) error {
	start := d.pos
	for d.pos++; d.pos < len(d.data); d.pos++ {
		switch c := d.data[d.pos]; {
		case c == '"':
			d.pos++
			*plain = *plain && utf8.Valid(d.data[start:d.pos])
			return nil
		case c < ' ':
			return d.unexpected("no control characters inside of a string")
		case c == '\\':
			*plain = false
			if err := d.escape(); err != nil {
				return err
			}
		}
	}
	return d.unexpected("the closing quote of a string")
}

// escape leaves the position on the last byte of the escape.
func (d *decoder) escape() error {
	d.pos++
	switch d.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			d.pos++
			if !strings.ContainsRune("0123456789abcdefABCDEF", rune(d.peek())) {
				return d.unexpected(`four hexadecimal digits after \u`)
			}
		}
		return nil
	}
	return d.unexpected("a known escape")
}

// skipNumber follows RFC 8259, section 6: no leading zeros, digits around the dot.
func (d *decoder) skipNumber() error {
	if d.peek() == '-' {
		d.pos++
	}
	if d.peek() == '0' {
		d.pos++
	} else if err := d.digits(); err != nil {
		return err
	}
	if d.peek() == '.' {
		d.pos++
		if err := d.digits(); err != nil {
			return err
		}
	}
	if c := d.peek(); c != 'e' && c != 'E' {
		return nil
	}
	d.pos++
	if c := d.peek(); c == '+' || c == '-' {
		d.pos++
	}
	return d.digits()
}

func (d *decoder) digits() error {
	start := d.pos
	for c := d.peek(); c >= '0' && c <= '9'; c = d.peek() {
		d.pos++
	}
	if d.pos == start {
		return d.unexpected("a digit")
	}
	return nil
}

// field is where one JSON key of a struct goes.
type field struct {
	key       string
	index     []int
	omitEmpty bool
}

func (d *decoder) field(t reflect.Type, key string) *field {
	list, known := d.fields[t]
	if !known {
		list = appendFields(nil, t, nil)
		if d.fields == nil {
			d.fields = map[reflect.Type][]field{}
		}
		d.fields[t] = list
	}
	for i := range list {
		if list[i].key == key {
			return &list[i]
		}
	}
	for i := range list { // encoding/json accepts any case, so bundles exist that need it
		if strings.EqualFold(list[i].key, key) {
			return &list[i]
		}
	}
	return nil
}

// appendFields lists a struct's own fields before those of what it embeds: the first match counts, and
// the shallower field hides the deeper one.
func appendFields(list []field, t reflect.Type, prefix []int) []field {
	var embedded [][]int
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(append([]int(nil), prefix...), i)
		key, how, _ := strings.Cut(f.Tag.Get("json"), ",")
		platform := f.Tag.Get("platform")
		switch {
		case f.Anonymous && key == "" && f.Type.Kind() == reflect.Struct:
			embedded = append(embedded, index)
		case key == "-" || !f.IsExported() || platform != "" && !strings.Contains(platform, "linux"):
		case key == "":
			list = append(list, field{f.Name, index, how == "omitempty"})
		default:
			list = append(list, field{key, index, how == "omitempty"})
		}
	}
	for _, index := range embedded {
		list = appendFields(list, t.Field(index[len(index)-1]).Type, index)
	}
	return list
}

// jsonName names the kind of value that starts with c.
func jsonName(c byte) string {
	switch c {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}

// goName names what a document may say where a Go value of type t is wanted.
func goName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return goName(t.Elem())
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice:
		return "array of " + goName(t.Elem()) + "s"
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int, reflect.Int64:
		return "whole number of " + strconv.Itoa(t.Bits()) + " bits"
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint, reflect.Uint64:
		return "whole number of " + strconv.Itoa(t.Bits()) + " bits, 0 or more"
	}
	return t.String()
}
