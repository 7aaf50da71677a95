package spec

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// schema lists the leaves and branches of a configuration that mean something on Linux, as docs/conformance.md writes
// them: mounts[].options, linux.timeOffsets{}.secs. A field without a platform tag is common.
func schema(t reflect.Type, at string) []string {
	switch t.Kind() {
	case reflect.Pointer:
		return schema(t.Elem(), at)
	case reflect.Map:
		return schema(t.Elem(), at+"{}")
	case reflect.Slice:
		return schema(t.Elem(), at+"[]")
	case reflect.Struct:
	default:
		return nil
	}
	var list []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if platform, ok := f.Tag.Lookup("platform"); ok && !slices.Contains(strings.Split(platform, ","), "linux") {
			continue
		}
		path := strings.TrimPrefix(at+"."+name, ".")
		if name == "" && f.Anonymous {
			path = at
		}
		if below := schema(f.Type, path); len(below) > 0 {
			list = append(list, below...)
		} else {
			list = append(list, path)
		}
	}
	return list
}

// documented is the second table of docs/conformance.md: field, what becomes of it, and the test or the words that show it.
func documented(t *testing.T) map[string][2]string {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(data), "<!-- fields: begin -->")
	table, _, end := strings.Cut(table, "<!-- fields: end -->")
	if !ok || !end {
		t.Fatal("docs/conformance.md has no table of fields between its marks")
	}
	rows := map[string][2]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.ReplaceAll(strings.TrimSpace(line), `\|`, "¦"), " | ")
		field := strings.Trim(cells[0], "|` ")
		if len(cells) != 3 || field == "field" || strings.HasPrefix(field, "---") {
			continue
		}
		if _, twice := rows[field]; twice {
			t.Errorf("docs/conformance.md: %s is there twice", field)
		}
		rows[field] = [2]string{cells[1], strings.TrimSuffix(cells[2], " |")}
	}
	return rows
}

// TestEveryFieldIsAccountedFor compares the list in docs/conformance.md with the specification's own types: a field that is
// in neither code nor list would be ignored silently.
func TestEveryFieldIsAccountedFor(t *testing.T) {
	rows := documented(t)
	fields := schema(reflect.TypeFor[specs.Spec](), "")
	for _, f := range fields {
		row, ok := rows[f]
		if !ok {
			t.Errorf("docs/conformance.md says nothing of %s", f)
			continue
		}
		delete(rows, f)
		if !slices.Contains([]string{"done", "refused", "not applicable"}, row[0]) {
			t.Errorf("docs/conformance.md: %s: %q is neither done, refused nor not applicable", f, row[0])
		}
		if row[1] == "" {
			t.Errorf("docs/conformance.md: %s: no test, message or reason", f)
		}
		if row[0] == "done" {
			shown(t, f, row[1])
		}
	}
	for f := range rows {
		t.Errorf("docs/conformance.md: %s is no field of the specification", f)
	}
}

// shown wants the tests of a row to exist: tests/NAME.txtar, or FILE_test.go below pkg.
func shown(t *testing.T, field, words string) {
	for _, name := range strings.FieldsFunc(words, func(r rune) bool { return strings.ContainsRune("`, ;", r) }) {
		if !strings.HasSuffix(name, ".txtar") && !strings.HasSuffix(name, "_test.go") {
			continue
		}
		if _, err := os.Stat(filepath.Join("..", "..", name)); err != nil {
			t.Errorf("docs/conformance.md: %s: no such test: %s", field, name)
		}
		return
	}
	t.Errorf("docs/conformance.md: %s is done, but no test is named", field)
}
