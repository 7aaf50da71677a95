package userns

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// TestForgets finds nothing of ours in a child with memory of its own: no heap, no environment, no arguments. It has its
// program, our text and data, and what the kernel has put there.
func TestForgets(t *testing.T) {
	if !ownStack || libc {
		t.Skip("SKIP-PROBE forget: another architecture, or a C library")
	}
	heap := make([]byte, 300)
	if _, err := rand.Read(heap); err != nil {
		t.Fatal(err)
	}
	for _, second := range []bool{false, true} {
		p := plan.New()
		p.Private = true
		p.Act("wait for a look")
		end := p.Label("first")
		if second { // of the fork that an init is the parent of
			p.ForkChild(end)
		}
		p.Gate("look")
		p.Exit(0)
		if second {
			p.Here(end)
			p.Do("wait4", unix.SYS_WAIT4, plan.C(-1), plan.C(0), plan.C(0), plan.C(0))
			p.Exit(0)
		}
		looked := 0
		_, err := Spawn(Request{Plan: p, Gate: func(c *Child, _ string) error {
			looked++
			for _, name := range []string{"environ", "cmdline"} {
				if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", c.Pid, name)); err != nil || len(text) > 0 {
					t.Errorf("second %v: %s is %q, %v", second, name, text, err)
				}
			}
			if at := find(t, c.Pid, heap); at != "" {
				t.Errorf("second %v: our heap is at %s", second, at)
			}
			return errors.New("seen")
		}})
		if looked != 1 || err == nil || err.Error() != "seen" {
			t.Errorf("second %v: looked %d times, %v", second, looked, err)
		}
		if at := find(t, os.Getpid(), heap); at == "" {
			t.Error("the search finds nothing in our own memory")
		}
	}
}

// find is the mapping of a process that has these bytes, "" for none.
func find(t *testing.T, pid int, what []byte) string {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	for line := range strings.Lines(string(maps)) {
		var begin, end int64
		if n, _ := fmt.Sscanf(line, "%x-%x", &begin, &end); n != 2 || !strings.Contains(line, " rw") {
			continue
		}
		buf := make([]byte, 64<<10)
		for at := begin; at < end; at += int64(len(buf) - len(what)) {
			n, _ := mem.ReadAt(buf, at)
			if bytes.Contains(buf[:n], what) {
				return line
			}
		}
	}
	return ""
}

func TestBetween(t *testing.T) {
	p := page()
	for _, c := range []struct{ stay, want []span }{
		{nil, []span{{0, 100 * p}}},
		{[]span{{2 * p, 4 * p}}, []span{{0, 2 * p}, {4 * p, 100 * p}}},
		// in any order, not on a page's border, one in another
		{[]span{{9*p + 1, 10*p + 1}, {2*p + 5, 3*p + 5}, {9 * p, 9*p + 3}}, []span{{0, 2 * p}, {4 * p, 9 * p}, {11 * p, 100 * p}}},
		{[]span{{0, 3 * p}, {3 * p, 100 * p}}, nil},
	} {
		if got := between(slices.Clone(c.stay), 100*p); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.stay, got, c.want)
		}
	}
}
