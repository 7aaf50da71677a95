package lifecycle

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// wipe overwrites the copy of our environment that a waiting process carries:
// the caller's secrets, which another process of the container could read in
// /proc/PID/environ or its memory until the payload's exec. The strings of
// os.Environ are that same memory, so there is no second copy of the whole. A
// container that starts at once does not wait and needs no wiping.
//
// getrandom(2) is the one call that fills memory and needs nothing else.
func (g *program) wipe() {
	if !g.shown() {
		return
	}
	begin, end := environment()
	if end <= begin {
		return
	}
	g.plan.Act("forget the caller's environment")
	g.plan.Do("getrandom", unix.SYS_GETRANDOM, plan.C(begin), plan.C(end-begin), plan.C(0)).Ignore()
}

// waits says whether the complete container waits for somebody: the caller of
// start, or hooks.
func (g *program) waits() bool {
	h := g.Spec.Hooks
	return g.listen >= 0 || h != nil && len(h.StartContainer) > 0
}

// shown says whether the complete container is to be seen by others: one that waits,
// and where /proc hides what may not be looked into (hidepid in proc(5)) the payload
// of an init, of which it would have no word for an ordinary caller's record. That
// one has memory of its own, as init has.
func (g *program) shown() bool {
	return g.waits() || g.Init && !g.run.private() && unix.Access("/proc/1/stat", unix.F_OK) != nil
}

// environment is where ours lies, fields 50 and 51 of proc_pid_stat(5); zero
// where the kernel does not say.
func environment() (begin, end int) {
	b, err := kernel.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, 0
	}
	const first = 3 // the number of the field behind the command's name
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) <= 51-first {
		return 0, 0
	}
	begin, err = strconv.Atoi(fields[50-first])
	if err == nil {
		end, err = strconv.Atoi(fields[51-first])
	}
	if err != nil {
		return 0, 0
	}
	return begin, end
}
