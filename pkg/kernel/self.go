package kernel

import (
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
)

// Facts is who we are: what the kernel would decide by, and never a mode.
type Facts struct {
	// UID to EGID are ids of the current user namespace, and show the overflow
	// id (usually 65534) for one that is not mapped there.
	UID, EUID, GID, EGID uint32
	Groups               []uint32

	CapPrm, CapEff, CapBnd uint64 // bit n is capability n of capabilities(7)
	NoNewPrivs             bool
	Seccomp                int // 0 none, 1 strict, 2 a filter: proc_pid_status(5)

	// Err says that /proc/self/status could not be read. Then the ids are the
	// system calls' answers and everything else is empty.
	Err error

	initial func() bool
}

// InitialUserns reports whether we are in the initial user namespace, where
// root is root. It reads /proc/self/uid_map when first asked.
func (f Facts) InitialUserns() bool { return f.initial != nil && f.initial() }

// Has reports whether capability n (capabilities(7), unix.CAP_*) is effective.
func (f Facts) Has(n int) bool { return n >= 0 && n < 64 && f.CapEff&(1<<n) != 0 }

// Self reads /proc/self/status once. Ask once and pass the answer on.
func (h Host) Self() Facts {
	data, err := proc.ReadFile(h.proc("self/status"))
	f := Facts{}
	if err == nil {
		f, err = parseStatus(string(data))
	}
	if err != nil {
		f = askSystem()
		f.Err = err
	}
	f.initial = sync.OnceValue(func() bool { return h.idMap("uid_map").Initial() })
	return f
}

func askSystem() Facts {
	f := Facts{UID: uint32(unix.Getuid()), EUID: uint32(unix.Geteuid()), GID: uint32(unix.Getgid()), EGID: uint32(unix.Getegid())}
	groups, _ := unix.Getgroups() // no groups then, as in a namespace without any
	for _, g := range groups {
		f.Groups = append(f.Groups, uint32(g))
	}
	return f
}

// parseStatus reads proc_pid_status(5). The ids must be there; the rest is
// absent on kernels built without it.
func parseStatus(text string) (Facts, error) {
	var f Facts
	found := false
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		words := func() []string { return strings.Fields(value) }
		var err error
		switch key {
		case "Uid":
			f.UID, f.EUID, err = firstTwo(words())
			found = err == nil
		case "Gid":
			f.GID, f.EGID, err = firstTwo(words())
		case "Groups":
			f.Groups, err = ids(words())
		case "CapPrm":
			f.CapPrm, err = hex(words())
		case "CapEff":
			f.CapEff, err = hex(words())
		case "CapBnd":
			f.CapBnd, err = hex(words())
		case "NoNewPrivs":
			f.NoNewPrivs = strings.TrimSpace(value) == "1"
		case "Seccomp":
			f.Seccomp, err = strconv.Atoi(strings.TrimSpace(value))
		}
		if err != nil {
			return Facts{}, badLine("status", line)
		}
	}
	if !found {
		return Facts{}, badLine("status", "no Uid line")
	}
	return f, nil
}

func firstTwo(words []string) (a, b uint32, err error) {
	if len(words) != 4 {
		return 0, 0, strconv.ErrSyntax
	}
	all, err := ids(words)
	if err != nil {
		return 0, 0, err
	}
	return all[0], all[1], nil
}

func ids(words []string) ([]uint32, error) {
	var out []uint32
	for _, w := range words {
		n, err := strconv.ParseUint(w, 10, 32)
		if err != nil {
			return nil, err
		}
		out = append(out, uint32(n))
	}
	return out, nil
}

func hex(words []string) (uint64, error) {
	return strconv.ParseUint(strings.Join(words, " "), 16, 64)
}
