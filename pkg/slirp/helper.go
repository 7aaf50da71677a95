package slirp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Job is what a helper is told at its start.
type Job struct {
	Config
	Ports   []Port `json:"ports,omitempty"`
	Dir     string `json:"dir"` // the network's directory, absolute
	Init    int    `json:"init"`
	Userns  bool   `json:"userns"`  // the container has a user namespace of its own
	RootID  bool   `json:"root_id"` // in which there is a root
	Restart bool   `json:"restart"`
}

// The descriptors of a helper, besides 0, 1 and 2.
const (
	FdJob   = 3 + iota // JSON, a Job
	FdReady            // gets "" or an error's text, and is closed
	FdInit             // pidfd: the container's first process
	FdNet              // its network namespace
	FdUser             // its user namespace; the null device without one
)

// Helper is the process that holds a container's network.
type Helper struct {
	Job
	// Spawn starts a program that ends with this process. It is called on the
	// thread of OnMain.
	Spawn func(*Program) (pid int, err error)

	log  io.Writer
	exit *os.File // the carrier ends when its other end does

	mu       sync.Mutex
	carrier  int // its pid
	holder   int // of the process that pasta finds the namespaces by
	stopping bool
	driver   *driver
	ports    []Port
	ids      map[Port]int // a port's id with its handler
}

// Program is one of those that a helper starts.
type Program struct {
	Path   string // "" is this program
	Args   []string
	Env    []string
	Files  []*os.File // from 3 on
	Stderr *os.File   // also standard output; nil is nowhere
	User   bool       // in the container's user namespace, as its root
	Net    bool       // in its network namespace too
	Root   string     // a directory that is all it sees, "" for the host's tree
}

// ReadJob reads what the parent has written.
func ReadJob() (Job, error) {
	var j Job
	err := json.NewDecoder(os.NewFile(FdJob, "job")).Decode(&j)
	return j, err
}

// Serve makes the network, says so to the parent, or why not, and holds it until
// the container has ended.
func (h *Helper) Serve() error {
	ready := os.NewFile(FdReady, "ready")
	for fd := FdReady; fd <= FdUser; fd++ {
		unix.CloseOnExec(fd)
	}
	// The cwd makes the sockets' names short, whatever --root is.
	err := os.Chdir(h.Dir)
	if err == nil {
		err = h.open()
	}
	if err != nil {
		fmt.Fprint(ready, err)
		ready.Close()
		h.stop()
		return nil
	}
	ready.Close()
	h.waitForEnd()
	h.stop()
	return nil
}

func (h *Helper) open() error {
	h.log, h.ids = os.Stderr, make(map[Port]int)
	control, err := h.listen()
	if err != nil {
		return err
	}
	if h.Kind != None {
		if err := h.carry(); err != nil {
			return err
		}
	}
	for _, p := range h.Ports {
		if err := h.publish(p); err != nil {
			return err
		}
	}
	go h.control(control)
	return nil
}

// waitForEnd returns when the container's first process has ended, or when the
// carrier has and cannot be started again.
func (h *Helper) waitForEnd() {
	poll := []unix.PollFd{{Fd: FdInit, Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(poll, -1)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// stop ends what the helper has started, which holds nothing that needs a
// goodbye. When the control socket is gone, all ports are free. The helper's own
// end would end the others too, but leave it to whoever inherits them to bury
// them; a tap device alone takes 20 ms to go.
func (h *Helper) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopping = true
	pids := []int{h.carrier, h.holder}
	if h.driver != nil {
		pids = append(pids, h.driver.child)
	}
	for _, pid := range pids {
		if pid > 0 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	switch {
	case h.driver != nil:
		for _, p := range h.ports {
			_ = h.driver.RemovePort(context.Background(), h.ids[p])
		}
	case h.carrier > 0 && len(h.ports) > 0:
		awaitGone(h.carrier)
	}
	_ = os.Remove(controlSocket)
	for _, pid := range pids {
		if pid > 0 {
			awaitGone(pid)
		}
	}
}

// awaitGone waits a moment until a child has ended and another goroutine has
// waited for it.
func awaitGone(pid int) {
	for i := 0; i < 500 && unix.Kill(pid, 0) == nil; i++ {
		time.Sleep(time.Millisecond)
	}
}

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
	if initGone() {
		return
	}
	h.mu.Lock()
	stopping := h.stopping
	h.carrier = 0
	h.mu.Unlock()
	if stopping {
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
	exitR, exitW, err := os.Pipe()
	if err != nil {
		readyW.Close()
		return err
	}
	if h.exit != nil {
		h.exit.Close()
	}
	h.exit = exitW
	p := &c.program
	p.Files = []*os.File{readyW, exitR, os.NewFile(dup(FdNet), "net")}
	user := -1
	switch {
	case h.Userns && h.RootID:
		p.User = true
	case h.Userns:
		p.Files, user = append(p.Files, os.NewFile(dup(FdUser), "user")), 6
	}
	p.Args = append([]string{Slirp4netns}, h.slirpArgs(3, 4, 5, user)...)
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

// startPasta waits for the file with its process id, which comes when all is
// made (passt(1), --pid). pasta finds the namespaces by a process in them, which
// must be one that it may look at whatever the payload is.
func (h *Helper) startPasta(c *carrier) error {
	_ = os.Remove(pastaPid)
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
		if b, err := os.ReadFile(pastaPid); err == nil && len(b) > 0 {
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

// publish asks a port's handler for it.
func (h *Helper) publish(p Port) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, q := range h.ports {
		if q == p {
			return fmt.Errorf("port %s is published already", p.where())
		}
	}
	id, err := h.handle(p)
	if err != nil {
		return err
	}
	h.ports = append(h.ports, p)
	h.ids[p] = id
	return nil
}

func (h *Helper) handle(p Port) (int, error) {
	switch {
	case h.Handler == Builtin:
		if h.driver == nil {
			d, err := h.newDriver()
			if err != nil {
				return 0, err
			}
			h.driver = d
		}
		return h.driver.add(p, h.Address())
	case h.Kind == Slirp4netns:
		return addForward(p)
	case h.published(p):
		return 0, nil // pasta was started with it
	}
	return 0, fmt.Errorf("pasta publishes ports at its start only: --network slirp4netns can add them later")
}

func (h *Helper) published(p Port) bool {
	for _, q := range h.Ports {
		if p == q {
			return true
		}
	}
	return false
}

// withdraw ends a published port; connections that are there go on.
func (h *Helper) withdraw(host int, proto string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, p := range h.ports {
		if p.Host != host || p.Proto != proto {
			continue
		}
		id := h.ids[p]
		var err error
		switch {
		case h.Handler == Builtin:
			err = h.driver.RemovePort(context.Background(), id)
		case h.Kind == Slirp4netns:
			err = removeForward(id)
		default:
			err = fmt.Errorf("pasta keeps the ports of its start: --network slirp4netns can remove them")
		}
		if err == nil {
			h.ports = append(h.ports[:i:i], h.ports[i+1:]...)
		}
		return err
	}
	return fmt.Errorf("port %d/%s of the host is not published", host, proto)
}
