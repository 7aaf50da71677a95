package spec

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// Encode writes v as encoding/json does, for the types that [Decode] reads, in one line. Fields that [Decode] would drop are
// left out.
//
// It is here for Decode's reason: the first json.Marshal of a Spec builds an encoder for every type that a Spec can reach.
func Encode(v any) ([]byte, error) {
	e := encoder{fields: map[reflect.Type][]field{}}
	err := e.value(reflect.ValueOf(v))
	return e.out, err
}

type encoder struct {
	out    []byte
	fields map[reflect.Type][]field
}

func (e *encoder) value(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return e.value(v.Elem())
		}
		e.out = append(e.out, "null"...)
	case reflect.Struct:
		return e.object(v)
	case reflect.Map:
		return e.entries(v)
	case reflect.Slice:
		return e.array(v)
	case reflect.String:
		return e.str(v.String())
	case reflect.Bool:
		e.out = strconv.AppendBool(e.out, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.out = strconv.AppendInt(e.out, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		e.out = strconv.AppendUint(e.out, v.Uint(), 10)
	default:
		return e.other(v.Interface())
	}
	return nil
}

// other is what configurations are not made of. Of "<" and "&", which occur in arguments, nobody makes six bytes: what is
// written may be not much longer than what was read.
func (e *encoder) other(v any) error {
	var b bytes.Buffer
	plain := json.NewEncoder(&b)
	plain.SetEscapeHTML(false)
	err := plain.Encode(v)
	e.out = append(e.out, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
	return err
}

func (e *encoder) object(v reflect.Value) error {
	list, known := e.fields[v.Type()]
	if !known {
		list = appendFields(nil, v.Type(), nil)
		e.fields[v.Type()] = list
	}
	e.out = append(e.out, '{')
	for _, f := range list {
		in := v.FieldByIndex(f.index)
		if f.omitEmpty && empty(in) {
			continue
		}
		e.comma()
		e.out = append(append(append(e.out, '"'), f.key...), '"', ':')
		if err := e.value(in); err != nil {
			return err
		}
	}
	e.out = append(e.out, '}')
	return nil
}

// empty is what "omitempty" means.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func (e *encoder) entries(m reflect.Value) error {
	if m.IsNil() {
		e.out = append(e.out, "null"...)
		return nil
	}
	keys := map[string]reflect.Value{}
	for _, k := range m.MapKeys() {
		keys[k.String()] = k
	}
	e.out = append(e.out, '{')
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		e.comma()
		if err := e.str(name); err != nil {
			return err
		}
		e.out = append(e.out, ':')
		if err := e.value(m.MapIndex(keys[name])); err != nil {
			return err
		}
	}
	e.out = append(e.out, '}')
	return nil
}

func (e *encoder) array(v reflect.Value) error {
	if v.IsNil() {
		e.out = append(e.out, "null"...)
		return nil
	}
	e.out = append(e.out, '[')
	for i := range v.Len() {
		e.comma()
		if err := e.value(v.Index(i)); err != nil {
			return err
		}
	}
	e.out = append(e.out, ']')
	return nil
}

// comma goes before every element but the first.
func (e *encoder) comma() {
	if last := e.out[len(e.out)-1]; last != '{' && last != '[' {
		e.out = append(e.out, ',')
	}
}

// str writes a string. One that needs an escape is left to encoding/json, as in [Decode].
func (e *encoder) str(s string) error {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return e.other(s)
		}
	}
	e.out = append(append(append(e.out, '"'), s...), '"')
	return nil
}
