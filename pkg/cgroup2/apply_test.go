package cgroup2

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func (g Group) content(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(g.file(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestApply(t *testing.T) {
	g := group(t, map[string]string{"pids.max": "", "memory.max": "", "io.bfq.weight": ""})
	err := g.Apply([]Write{
		{File: "pids.max", Value: "5"}, {File: "memory.swap.max", Value: "max", Lenient: true}, {File: "memory.max", Value: "7"},
		{File: "io.weight", Value: "default 5", Instead: "io.bfq.weight"}, {File: "pids.max", Value: "6"},
	})
	if err != nil || g.content(t, "pids.max") != "6" || g.content(t, "memory.max") != "7" {
		t.Error(err)
	}
	if err := g.Apply(nil); err != nil {
		t.Error(err)
	}
	// What stands for another has to be there, and what comes behind an error is not written.
	if err := os.Remove(g.file("io.bfq.weight")); err != nil {
		t.Fatal(err)
	}
	err = g.Apply([]Write{{File: "io.weight", Value: "default 5", Field: "linux.resources.blockIO.weight", Instead: "io.bfq.weight"}, {File: "pids.max", Value: "9"}})
	if !errors.Is(err, unix.ENOENT) || g.content(t, "pids.max") != "6" {
		t.Error(err)
	}
	for _, want := range []string{"linux.resources.blockIO.weight: ", `write "default 5"`, "io.weight of cgroup " + g.Path, "this kernel has no such file"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	// A link does not lead elsewhere.
	if err := os.Symlink(g.file("pids.max"), g.file("link.max")); err != nil {
		t.Fatal(err)
	}
	if err := g.Apply([]Write{{File: "link.max", Value: "1"}}); !errors.Is(err, unix.ELOOP) || g.content(t, "pids.max") != "6" {
		t.Error(err)
	}
}

func TestApplyRefused(t *testing.T) {
	g := Group{"/sys/fs/cgroup", "/c"}
	for _, c := range []struct {
		file  string
		errno unix.Errno
		want  string
	}{
		{"memory.max", unix.EBUSY, "more is in use, and cannot be freed"}, {"cpuset.cpus", unix.EINVAL, "the host has no such value to give"},
		{"io.max", unix.ENODEV, "the host has no such value to give"}, {"pids.max", unix.ERANGE, "the host has no such value to give"},
		{"x.y", unix.ENOENT, "this kernel has no such file"}, {"pids.max", unix.EACCES, "permission denied"}, {"cpu.max", unix.EBUSY, "busy"},
	} {
		err := g.refused(Write{File: c.file, Value: "5", Field: "linux.resources.x"}, c.errno)
		want := `linux.resources.x: write "5" to ` + c.file + " of cgroup /c: " + c.errno.Error()
		if !errors.Is(err, c.errno) || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), c.want) {
			t.Error(err)
		}
	}
}

func TestSplit(t *testing.T) {
	writes := []Write{{File: "pids.max"}, {File: "io.bfq.weight"}, {File: "memory.max"}, {File: "cgroup.max.depth"}, {File: "hugetlb.2MB.max"}}
	for have, want := range map[string]string{
		"":                       "cgroup.max.depth",
		"cpuset cpu io memory\n": "io.bfq.weight memory.max cgroup.max.depth",
		"pids hugetlb\n":         "pids.max cgroup.max.depth hugetlb.2MB.max",
	} {
		g := group(t, map[string]string{"cgroup.controllers": have})
		can, missing, err := g.Split(writes)
		var names []string
		for _, w := range can {
			names = append(names, w.File)
		}
		if err != nil || strings.Join(names, " ") != want || len(can)+len(missing) != len(writes) {
			t.Errorf("%q: %q, %v", have, names, err)
		}
		if c, err := g.Controllers(); err != nil || !slices.Equal(c, strings.Fields(have)) {
			t.Error(c, err)
		}
	}
	g := group(t, nil)
	if can, missing, err := g.Split(nil); can != nil || missing != nil || err != nil {
		t.Error("nothing to split needs no group: ", err)
	}
	if _, _, err := g.Split(writes); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "look at the controllers of cgroup "+g.Path) {
		t.Error(err)
	}
}

// TestPassOn: each controller by itself, and those that are passed on already not again.
func TestPassOn(t *testing.T) {
	g := group(t, map[string]string{"cgroup.controllers": "cpu memory pids\n", "cgroup.subtree_control": "memory pids\n"})
	g.passOn()
	// The kernel would have taken what a file has over its first bytes.
	if got := g.content(t, "cgroup.subtree_control"); got != "+cpury pids\n" {
		t.Errorf("%q", got)
	}
	group(t, nil).passOn()
}
