package network

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"sandbox/pkg/proc"
	"sandbox/pkg/slirp"
	"sandbox/pkg/state"
)

// Ask asks the helper of a running container to publish ports or to withdraw some, all or none; the answer lists them.
func Ask(d *state.Dir, h *state.Helper, add, remove []slirp.Port) (*slirp.Answer, error) {
	dir, err := d.OpenSub(state.NetworkDir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	at := fmt.Sprintf("/proc/self/fd/%d", dir.Fd())
	a, err := slirp.Ask(at, add, remove)
	var gone *slirp.GoneError
	if errors.As(err, &gone) && !helped(h) {
		err = errors.New(helperGone + lastWord(at))
	}
	return a, err
}

// helped says whether the helper is there.
func helped(h *state.Helper) bool {
	s, err := proc.Look(h.Pid)
	return err == nil && s.Begin == h.Begin && !s.Ended()
}

// lastWord is the end of what the helper of a detached container has said.
func lastWord(dir string) string {
	b, err := os.ReadFile(dir + "/" + networkLog)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if last := lines[len(lines)-1]; err == nil && last != "" {
		return "; it said last: " + strings.TrimPrefix(last, "sandbox: network: ")
	}
	return ""
}
