package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestParseRow(t *testing.T) {
	for _, tt := range []struct {
		how, command string
		steps        [][]string
		count, jobs  int
		unit         string
	}{
		{"1", "true", [][]string{{"true"}}, 1, 1, "ms"},
		{"1", "a create {id} ; a start {id} ; a delete {id}", [][]string{{"a", "create", "{id}"}, {"a", "start", "{id}"}, {"a", "delete", "{id}"}}, 1, 1, "ms"},
		{"100x2", "true", [][]string{{"true"}}, 100, 2, "ms"},
		{"KiB", "12.5", nil, 1, 1, "KiB"},
		{"KiB", "true", nil, 0, 0, ""},
		{"0", "true", nil, 0, 0, ""},
		{"5x0", "true", nil, 0, 0, ""},
		{"9999999999x9", "true", nil, 0, 0, ""},
		{"1", " ", nil, 0, 0, ""},
	} {
		r, unit, err := parseRow("p", tt.how, tt.command)
		if tt.unit == "" {
			if err == nil {
				t.Errorf("%q %q was taken", tt.how, tt.command)
			}
			continue
		}
		if err != nil || unit != tt.unit || r.count != tt.count || r.jobs != tt.jobs || !reflect.DeepEqual(r.steps, tt.steps) {
			t.Errorf("%q %q: %+v, %q, %v", tt.how, tt.command, r, unit, err)
		}
	}
}

func TestParseSuiteErrors(t *testing.T) {
	for _, text := range []string{"", "# nothing\n\n", "a\tb\t1", "a\tb\t1\ttrue\na\tc\tKiB\t5"} {
		if _, err := parseSuite(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestMeasure(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	script := filepath.Join(dir, "note")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho $1 $2 >>"+log+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := parseSuite("run\tA\t1\t" + script + " A {id} ; true\nrun\tB\t1\t" + script + " B {id}\nmany\tA\t4x2\t" + script +
		" M {id}\nrun\tC\t1\tfalse\nmemory\tA\tKiB\t7\n")
	if err != nil {
		t.Fatal(err)
	}
	s.measure(1, 2)
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(data))
	counts, ids := make(map[string]int), make(map[string]bool)
	for i := 0; i < len(lines); i += 2 {
		counts[lines[i]]++
		ids[lines[i+1]] = true
	}
	// One warm-up round and two that count; the many only in those that count.
	if want := map[string]int{"A": 3, "B": 3, "M": 8}; !reflect.DeepEqual(counts, want) || len(ids) != 14 {
		t.Errorf("ran %v with %d ids, want %v", counts, len(ids), want)
	}
	for _, r := range s.groups[0].rows[:2] {
		if len(r.samples) != 2 {
			t.Errorf("%s: %d samples", r.program, len(r.samples))
		}
	}
	if err := s.failure(); err == nil || !strings.Contains(err.Error(), "run, C: false") {
		t.Errorf("failure() = %v", err)
	}
}

func TestPrint(t *testing.T) {
	s := &suite{programs: []string{"other", "sandbox", "broken"}, groups: []*group{{what: "run", unit: "ms", rows: []*row{
		{program: "other", samples: []float64{9, 1, 10, 11}},
		{program: "sandbox", samples: []float64{5}},
		{program: "broken", err: os.ErrNotExist},
	}}}}
	var table, raw bytes.Buffer
	s.printTable(&table, "sandbox", []string{"absent", "other"})
	want := "| run, ms | 5.00    | 9.50  | failed | 0.53            |"
	if !strings.Contains(table.String(), want) {
		t.Errorf("table:\n%s\nwant\n%s", &table, want)
	}
	if err := s.printJSON(&raw, "sandbox"); err != nil {
		t.Fatal(err)
	}
	var back []groupResult
	if err := json.Unmarshal(raw.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	got := back[0].Results[0]
	if got.Median != 9.5 || got.Min != 1 || got.P90 != 11 || got.Samples != 4 || got.Ratio < 0.52 || got.Ratio > 0.53 {
		t.Errorf("%+v", got)
	}
}

func TestEditConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"process": {"terminal": true, "cwd": "/"}, "linux": {}, "root": {"path": "rootfs", "readonly": true}}`)
	if err := run([]string{"config", file, "/rootfs", "1000:100000:65535", "1001", "/bin/true", "-x"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Root, Process, Linux map[string]any }
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if got.Process["terminal"] != false || !reflect.DeepEqual(got.Process["args"], []any{"/bin/true", "-x"}) || got.Process["cwd"] != "/" {
		t.Errorf("process: %v", got.Process)
	}
	if got.Root["path"] != "/rootfs" || got.Root["readonly"] != true {
		t.Errorf("root: %v", got.Root)
	}
	uids, gids := got.Linux["uidMappings"].([]any), got.Linux["gidMappings"].([]any)
	if len(uids) != 2 || len(gids) != 1 || uids[1].(map[string]any)["hostID"] != 100000.0 || gids[0].(map[string]any)["hostID"] != 1001.0 {
		t.Errorf("uids %v, gids %v", uids, gids)
	}
	for _, ids := range []string{"", "x", "1:2", "-1", "4294967296", "1:2:3:4"} {
		if err := run([]string{"config", file, "/", ids, "1", "true"}); err == nil {
			t.Errorf("ids %q were taken", ids)
		}
	}
	write(`{"process": 1}`)
	if err := run([]string{"config", file, "/", "1", "1", "true"}); err == nil {
		t.Error("a config without its sections was taken")
	}
}
