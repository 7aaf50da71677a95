package spec

import (
	"bytes"
	"encoding/json"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// indented formats as runc does: tabs, no newline at the end, "&" and "<" as they are (they occur in
// arguments, and people edit this file).
func indented(s *specs.Spec) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	err := e.Encode(s)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
