package slirp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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

	log io.Writer

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

// waitForEnd returns when the container's first process has ended.
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
