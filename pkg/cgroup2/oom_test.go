package cgroup2

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOOMOfAGroupThatGoes: systemd removes a group between two reads of its files, and what was known of its sizes stays.
func TestOOMOfAGroupThatGoes(t *testing.T) {
	g := Group{Mount: t.TempDir(), Path: "/s/c"}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(g.file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(g.Mount, g.Path), 0o700); err != nil {
		t.Fatal(err)
	}
	write("memory.events", "oom_kill 0\n")
	write("memory.max", "20971520\n")
	write("memory.peak", "1048576\n")
	m, err := g.WatchMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	write("memory.events", "oom_kill 2\n")
	for _, name := range []string{"memory.max", "memory.peak"} {
		if err := os.Remove(g.file(name)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := m.New(); err != nil || got == nil || *got != (OOM{Kills: 2, Limit: 20971520, Peak: 1048576}) {
		t.Errorf("%+v, %v", got, err)
	}
}
