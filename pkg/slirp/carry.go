package slirp

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// tapDevice is the container's, unless the caller's own options name it.
const tapDevice = "tap0"

// running is a carrier at work.
type running struct {
	*process
	program Program
	said    tail
	silent  chan struct{} // closed when it cannot say any more
}

// carry starts the carrier and returns when it carries.
func (h *Helper) carry() (*running, error) {
	c := &running{silent: make(chan struct{})}
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
	err = h.carrier().start(h, c)
	if errors.Is(err, errBefore2024) {
		return h.carry()
	}
	if err != nil {
		return nil, err
	}
	if err := h.shut(); err != nil {
		c.kill()
		<-c.gone
		return nil, fmt.Errorf("close the way to the host's loopback: %w", err)
	}
	return c, nil
}

// spawn starts it.
func (h *Helper) spawn(c *running) error {
	p, err := h.start(&c.program)
	c.program.Stderr.Close()
	if err != nil {
		return fmt.Errorf("start %s: %w", h.Carrier, err)
	}
	c.process = p
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running = c
	clear(h.ids)
	clear(h.guests)
	if h.stopping { // between the look and the start
		p.kill()
	}
	return nil
}

// last is what it has said, when it has ended.
func (c *running) last() string {
	select {
	case <-c.silent:
	case <-time.After(100 * time.Millisecond): // a child of its own may hold the pipe
	}
	return c.said.behind()
}

// keep starts another carrier when one has ended, until none stays.
func (h *Helper) keep(c *running) {
	var r retry
	for c != nil {
		<-c.gone
		if h.ending() {
			return
		}
		h.say("%s has ended (%v): starting it again%s", h.Kind, c.how, c.last())
		c = h.again(&r, time.Since(c.began))
	}
}

func (h *Helper) again(r *retry, lived time.Duration) *running {
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

// notReady ends a carrier that is none. refused is what it means that it refuses an option, "" for nothing; hint is what
// else may be the cause.
func (h *Helper) notReady(c *running, late bool, refused, hint string) error {
	c.kill()
	<-c.gone
	last := c.last()
	switch text := c.said.String(); {
	case late:
		return fmt.Errorf("%s was not ready within %s%s", h.Kind, patience, last)
	case refused != "" && refusesOption(text):
		return fmt.Errorf("%s: %s", refused, text)
	}
	return fmt.Errorf("%s did not start (%v)%s%s", h.Kind, c.how, last, hint)
}

// dup makes a copy that a child can inherit and that is closed here afterwards.
func dup(fd int) uintptr {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 10)
	if err != nil {
		return ^uintptr(0)
	}
	return uintptr(n)
}
