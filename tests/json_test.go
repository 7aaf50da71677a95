package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// document is a JSON value that scripts edit by dotted paths. Numbers keep their spelling, since scripts write numbers
// that no float64 holds on purpose.
type document struct{ root any }

func parseDocument(data []byte) (document, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var d document
	err := dec.Decode(&d.root)
	return d, err
}

func (d document) bytes() ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(d.root)
	return buf.Bytes(), err
}

// splitPath cuts at dots that no backslash guards; the empty path is the whole document.
func splitPath(path string) []string {
	if path == "" || path == "." {
		return nil
	}
	var keys []string
	key := strings.Builder{}
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '\\' && i+1 < len(path):
			i++
			key.WriteByte(path[i])
		case path[i] == '.':
			keys = append(keys, key.String())
			key.Reset()
		default:
			key.WriteByte(path[i])
		}
	}
	return append(keys, key.String())
}

// parseValue takes JSON, and whatever is none as a string, so that scripts need no second layer of quotes.
func parseValue(s string) any {
	if d, err := parseDocument([]byte(s)); err == nil && json.Valid([]byte(s)) {
		return d.root
	}
	return s
}

func (d document) get(path string) (any, error) {
	v := d.root
	for _, key := range splitPath(path) {
		next, err := child(v, key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		v = next
	}
	return v, nil
}

func child(v any, key string) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		if c, ok := v[key]; ok {
			return c, nil
		}
		return nil, fmt.Errorf("no key %q", key)
	case []any:
		i, err := index(v, key)
		if err != nil {
			return nil, err
		}
		return v[i], nil
	}
	return nil, fmt.Errorf("%q: the value above it is neither an object nor an array", key)
}

func index(list []any, key string) (int, error) {
	i, err := strconv.Atoi(key)
	if err != nil || i < 0 || i >= len(list) {
		return 0, fmt.Errorf("no index %q in an array of %d", key, len(list))
	}
	return i, nil
}

// edit is what happens at the end of a path: it gets the container and the last key and returns the container's new value.
type edit func(parent any, key string) (any, error)

func (d *document) apply(path string, last edit) error {
	keys := splitPath(path)
	if len(keys) == 0 {
		return fmt.Errorf("an empty path cannot be edited")
	}
	root, err := descend(d.root, keys, last)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	d.root = root
	return nil
}

func descend(v any, keys []string, last edit) (any, error) {
	if v == nil {
		v = map[string]any{} // a path through something absent makes it, as `jq '.a.b = 1'` does
	}
	if len(keys) == 1 {
		return last(v, keys[0])
	}
	var below any
	if m, ok := v.(map[string]any); ok {
		below = m[keys[0]]
	} else {
		c, err := child(v, keys[0])
		if err != nil {
			return nil, err
		}
		below = c
	}
	below, err := descend(below, keys[1:], last)
	if err != nil {
		return nil, err
	}
	return put(below)(v, keys[0])
}

func put(value any) edit {
	return func(parent any, key string) (any, error) {
		switch p := parent.(type) {
		case map[string]any:
			p[key] = value
			return p, nil
		case []any:
			if key == "-" {
				return append(p, value), nil
			}
			i, err := index(p, key)
			if err != nil {
				return nil, err
			}
			p[i] = value
			return p, nil
		}
		return nil, fmt.Errorf("%q: the value above it is neither an object nor an array", key)
	}
}

func remove(parent any, key string) (any, error) {
	if _, err := child(parent, key); err != nil {
		return nil, err
	}
	switch p := parent.(type) {
	case map[string]any:
		delete(p, key)
	case []any:
		i, err := index(p, key)
		if err != nil {
			return nil, err
		}
		return append(p[:i:i], p[i+1:]...), nil
	}
	return parent, nil
}
