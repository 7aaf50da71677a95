package slirp

import (
	"io"
	"os"
	"strings"
	"sync"
)

// tail keeps the beginning and the end of what a carrier says: pasta's reason
// stands before ten lines of usage.
type tail struct {
	mu         sync.Mutex
	begin, end []byte
}

const tailSize = 1 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rest := p
	if n := min(tailSize-len(t.begin), len(rest)); n > 0 {
		t.begin, rest = append(t.begin, rest[:n]...), rest[n:]
	}
	t.end = append(t.end, rest...)
	if n := len(t.end) - tailSize; n > 0 {
		t.end = append(t.end[:0], t.end[n:]...)
	}
	return len(p), nil
}

// listen reads until all writers are gone.
func (t *tail) listen(r *os.File) {
	_, _ = io.Copy(t, r)
	r.Close()
}

// String is one line: the refusal of an option, which explains all else, or what is
// no chatter.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var kept []string
	for _, l := range strings.Split(string(t.begin)+string(t.end), "\n") {
		l = strings.TrimSpace(l)
		if refusesOption(l) {
			return l
		}
		if l != "" && !chatter(l) {
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, "; ")
}

func refusesOption(line string) bool {
	for _, s := range []string{"unrecognized option", "unknown option", "invalid option", "requires an argument"} {
		if strings.Contains(line, s) {
			return true
		}
	}
	return false
}

// chatter is what slirp4netns and pasta say when nothing is wrong.
func chatter(line string) bool {
	return strings.HasPrefix(line, "WARNING: Support for") || strings.HasSuffix(line, "to syslog") ||
		strings.Contains(line, "tapfd=") || strings.HasPrefix(line, "api_handler:") || line == "apifd event"
}

func (t *tail) behind() string {
	if s := t.String(); s != "" {
		return ": " + s
	}
	return ""
}
