package slirp

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// carrier is slirp4netns or pasta at work.
type carrier struct {
	*process
	kind    string
	program Program
	said    tail
	silent  chan struct{} // closed when it cannot say any more
}

// carry starts the carrier and returns when it carries.
func (h *Helper) carry() (*carrier, error) {
	c := &carrier{kind: h.Kind, silent: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.program = Program{Path: h.Carrier, Env: os.Environ(), Stderr: w}
	if h.Own {
		c.program.Own = os.NewFile(dup(FdCarrier), h.Carrier)
		defer c.program.Own.Close()
	}
	go func() {
		c.said.listen(r)
		close(c.silent)
	}()
	start := h.startSlirp
	if h.Kind == Pasta {
		start = h.startPasta
	}
	if err := start(c); err != nil {
		return nil, err
	}
	if err := h.shut(); err != nil {
		c.kill()
		<-c.gone
		return nil, err
	}
	return c, nil
}

// shut keeps the container from the host's loopback. A socket that is bound to the carrier's device has 127.0.0.1 sent there
// and not to lo, and the carrier connects to whatever it is told to, from this host: what it is told not to do concerns the
// gateway's address alone. The device is new with each carrier.
func (h *Helper) shut() error {
	if h.HostLoopback {
		return nil
	}
	p, err := h.start(&Program{Shut: h.device(), User: h.Userns, Net: true})
	if err != nil {
		return fmt.Errorf("close the way to the host's loopback: %w", err)
	}
	if <-p.gone; !p.well && h.IPv6 {
		h.say("the host's ::1 can be reached from inside: this kernel has no rules for IPv6 (CONFIG_IPV6_MULTIPLE_TABLES)")
	}
	return nil
}

// spawn starts it.
func (h *Helper) spawn(c *carrier) error {
	p, err := h.start(&c.program)
	c.program.Stderr.Close()
	if err != nil {
		return fmt.Errorf("start %s: %w", h.Carrier, err)
	}
	c.process = p
	h.mu.Lock()
	defer h.mu.Unlock()
	h.carrier = c
	clear(h.ids)
	if h.stopping { // between the look and the start
		p.kill()
	}
	return nil
}

// last is what it has said, when it has ended.
func (c *carrier) last() string {
	select {
	case <-c.silent:
	case <-time.After(100 * time.Millisecond): // a child of its own may hold the pipe
	}
	return c.said.behind()
}

// keep starts another carrier when one has ended, until none stays.
func (h *Helper) keep(c *carrier) {
	var r retry
	for c != nil {
		<-c.gone
		if h.ending() {
			return
		}
		h.say("%s has ended (%v): starting it again%s", c.kind, c.how, c.last())
		c = h.again(&r, time.Since(c.began))
	}
}

func (h *Helper) again(r *retry, lived time.Duration) *carrier {
	for {
		pause, ok := r.next(lived)
		if !ok {
			h.unpublish(h.Kind + " does not stay: the container has no way out any more")
			return nil
		}
		time.Sleep(pause)
		c, err := h.carry()
		if err == nil {
			h.republish()
			return c
		}
		if h.ending() {
			return nil
		}
		h.say("%v", err)
		lived = 0
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
	c.kill()
	<-c.gone
	last := c.last()
	if late {
		return fmt.Errorf("%s was not ready within %s%s", c.kind, patience, last)
	}
	switch text := c.said.String(); {
	case !refusesOption(text):
	case c.kind == Slirp4netns:
		return fmt.Errorf("%s is too old for this (1.1 or newer is needed): %s", c.kind, text)
	case len(h.Extra) > 0:
		return fmt.Errorf("pasta refuses one of its options (%s): %s", strings.Join(h.Extra, " "), text)
	}
	if c.kind == Pasta && !routed("self", "") {
		last += "; pasta copies the addresses and routes of this host, which has no default route: add one, or take --network slirp4netns"
	}
	return fmt.Errorf("%s did not start (%v)%s", c.kind, c.how, last)
}

// dup makes a copy that a child can inherit and that is closed here afterwards.
func dup(fd int) uintptr {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 10)
	if err != nil {
		return ^uintptr(0)
	}
	return uintptr(n)
}
