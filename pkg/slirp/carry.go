package slirp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// carry starts the carrier and returns when it carries.
func (h *Helper) carry() error {
	began := time.Now()
	path, err := find(h.Kind)
	if err != nil {
		return err
	}
	c := &carrier{kind: h.Kind, gone: make(chan struct{}), silent: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	c.program = Program{Path: path, Env: os.Environ(), Stderr: w}
	go func() {
		c.said.listen(r)
		close(c.silent)
	}()
	start := h.startSlirp
	if h.Kind == Pasta {
		start = h.startPasta
	}
	if err := start(c); err != nil {
		return err
	}
	go func() {
		<-c.gone
		h.ended(c, time.Since(began))
	}()
	return nil
}

// carrier is slirp4netns or pasta at work.
type carrier struct {
	kind    string
	program Program
	said    tail
	silent  chan struct{} // closed when it cannot say any more
	gone    chan struct{} // closed when it has ended, with
	how     error
}

// spawn starts it, and waits for its end.
func (h *Helper) spawn(c *carrier) error {
	pid, err := h.child(&c.program)
	c.program.Stderr.Close()
	if err != nil {
		return fmt.Errorf("start %s: %w", c.program.Path, err)
	}
	h.mu.Lock()
	h.carrier = pid
	h.mu.Unlock()
	go func() {
		c.how = waitPid(pid)
		select {
		case <-c.silent:
		case <-time.After(100 * time.Millisecond): // a child of its own may hold the pipe
		}
		close(c.gone)
	}()
	return nil
}

func (h *Helper) child(p *Program) (pid int, err error) {
	spawned := onMain(func() error { pid, err = h.Spawn(p); return err })
	return pid, spawned
}

// ended tells that a carrier is gone while it was needed, and starts another.
func (h *Helper) ended(c *carrier, lived time.Duration) {
	if h.ending() {
		return
	}
	how := fmt.Sprintf("sandbox: %s has ended (%v)%s: ", c.kind, c.how, c.said.behind())
	if !h.Restart || lived < time.Second {
		fmt.Fprintln(h.log, how+"the container has no way out any more")
		return
	}
	fmt.Fprintln(h.log, how+"starting it again")
	if err := h.carry(); err != nil {
		fmt.Fprintf(h.log, "sandbox: %v: the container has no way out any more\n", err)
	}
}

// ending says whether what ends now is meant to.
func (h *Helper) ending() bool {
	if initGone() {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stopping
}

func initGone() bool {
	n, _ := unix.Poll([]unix.PollFd{{Fd: FdInit, Events: unix.POLLIN}}, 0)
	return n > 0
}

// patience is how long a carrier may take to be ready. It does so in
// milliseconds; a loaded machine may need a second.
const patience = 20 * time.Second

// startSlirp waits for slirp4netns's word. Its own sandbox wants root of a user
// namespace; where the container has none, it is left to its filter alone.
func (h *Helper) startSlirp(c *carrier) error {
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return err
	}
	defer readyR.Close()
	p := &c.program
	p.Files = []*os.File{readyW, os.NewFile(dup(FdNet), "net")}
	user := -1
	switch {
	case h.Userns && h.RootID:
		p.User = true
	case h.Userns:
		p.Files, user = append(p.Files, os.NewFile(dup(FdUser), "user")), 5
	}
	p.Args = append([]string{Slirp4netns}, h.slirpArgs(3, 4, user)...)
	err = h.spawn(c)
	for _, f := range p.Files {
		f.Close()
	}
	if err != nil {
		return err
	}
	_ = readyR.SetReadDeadline(time.Now().Add(patience))
	if n, err := readyR.Read(make([]byte, 1)); n == 0 {
		return h.notReady(c, errors.Is(err, os.ErrDeadlineExceeded))
	}
	return nil
}

// notReady ends a carrier that is none.
func (h *Helper) notReady(c *carrier, late bool) error {
	h.mu.Lock()
	if h.carrier > 0 {
		_ = unix.Kill(h.carrier, unix.SIGKILL)
	}
	h.mu.Unlock()
	<-c.gone
	if late {
		return fmt.Errorf("%s was not ready within %s%s", c.kind, patience, c.said.behind())
	}
	if text := c.said.String(); strings.Contains(text, "unrecognized option") || strings.Contains(text, "unknown option") {
		return fmt.Errorf("%s is too old for this (1.1 or newer is needed): %s", c.kind, text)
	}
	return fmt.Errorf("%s did not start (%v)%s", c.kind, c.how, c.said.behind())
}

// startPasta waits for the default route, the last that pasta makes in the
// container; the file with its pid, which comes then too, is not its to write where
// AppArmor confines it. pasta finds the namespaces by a process in them, which must
// be one that it may look at whatever the payload is.
func (h *Helper) startPasta(c *carrier) error {
	if h.holder == 0 {
		pid, err := h.child(&Program{Args: []string{"sandbox", HoldArg}, User: h.Userns, Net: true})
		if err != nil {
			return fmt.Errorf("enter the network: %w", err)
		}
		h.holder = pid
		go func() { _ = waitPid(pid) }()
	}
	var own []Port
	if h.Handler == Own {
		own = h.Ports
	}
	c.program.Args = append([]string{Pasta}, h.pastaArgs(own, h.holder, h.Userns)...)
	if err := h.spawn(c); err != nil {
		return err
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if routed(h.holder) {
			return nil
		}
		select {
		case <-c.gone:
			return h.notReady(c, false)
		default:
		}
	}
	return h.notReady(c, true)
}

// routed says whether a process's network has a default route through the tap
// device (proc_pid_net(5)).
func routed(pid int) bool {
	for file, fields := range map[string][2]int{"route": {1, 0}, "ipv6_route": {0, 9}} {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, file))
		for line := range strings.Lines(string(b)) {
			w := strings.Fields(line)
			if len(w) > 7 && len(w) > fields[1] && strings.Trim(w[fields[0]], "0") == "" && w[fields[1]] == tapDevice {
				return true
			}
		}
	}
	return false
}

// dup makes a copy that a child can inherit and that is closed here afterwards.
func dup(fd int) uintptr {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 10)
	if err != nil {
		return ^uintptr(0)
	}
	return uintptr(n)
}

// tail keeps the end of what a carrier says.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 1 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if n := len(t.b) - tailSize; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

// listen reads until all writers are gone.
func (t *tail) listen(r *os.File) {
	_, _ = io.Copy(t, r)
	r.Close()
}

// String is one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(string(bytes.TrimSpace(t.b)), "\n")
	var kept []string
	for _, l := range lines {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "WARNING: Support for") && !strings.HasSuffix(l, "to syslog") && !strings.Contains(l, "tapfd=") {
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, "; ")
}

func (t *tail) behind() string {
	if s := t.String(); s != "" {
		return ": " + s
	}
	return ""
}
