package slirp

import (
	"os"
	"strings"
	"testing"
)

// TestTable: what the rows say is what docs/network.md says of each.
func TestTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/network.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) == 12 {
			documented[strings.Trim(cells[1], " `")] = cells
		}
	}
	for _, r := range carriers() {
		needs := "nothing"
		for i, name := range r.handlers {
			mode := r.name
			if i > 0 {
				mode += ":port_handler=" + name
			}
			cells := documented[mode]
			if cells == nil {
				t.Errorf("%s is not documented", mode)
				continue
			}
			if i > 0 {
				needs = "the same"
			} else if r.program != "" {
				needs = r.pkg + ", `" + Tun + "`"
			}
			if got := strings.TrimSpace(cells[10]); got != needs {
				t.Errorf("%s needs %q, documented is %q", mode, needs, got)
			}
			if h := (&Config{Handler: name}).handler(); h.source != strings.HasPrefix(cells[7], " the client's") {
				t.Errorf("%s: a server sees the client's address: %v, documented is %q", mode, h.source, cells[7])
			}
			if _, err := ParseMode(mode); err != nil {
				t.Error(err)
			}
		}
	}
}
