package slirp

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// publish asks a port's handler for it. held listens already where the handler is
// RootlessKit's, and is taken.
func (h *Helper) publish(p Port, held *os.File) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost != "" {
		return errors.New(h.lost)
	}
	if slices.Contains(h.ports, p) {
		return fmt.Errorf("port %s is published already", p.where())
	}
	if err := h.handle(p, held); err != nil {
		return err
	}
	h.ports = append(h.ports, p)
	return nil
}

func (h *Helper) handle(p Port, held *os.File) error {
	switch {
	case h.Handler == Builtin:
		if h.driver == nil {
			d, err := h.newDriver()
			if err != nil {
				held.Close()
				return err
			}
			h.driver = d
		}
		return h.driver.add(p, held)
	case h.Kind == Slirp4netns:
		id, err := addForward(p)
		if err == nil {
			h.ids[p] = id
		}
		return err
	case slices.Contains(h.Ports, p):
		return nil // pasta was started with it
	}
	return errors.New("pasta publishes ports at its start only: --network slirp4netns can add them later")
}

// withdraw ends published ports; TCP connections that are there go on.
func (h *Helper) withdraw(list []Port) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range list {
		switch {
		case h.Handler == Builtin:
			h.driver.remove(p)
		case h.Kind == Slirp4netns:
			if err := removeForward(h.ids[p]); err != nil {
				return fmt.Errorf("withdraw port %s: %w", p.where(), err)
			}
			delete(h.ids, p)
		default:
			return errors.New("pasta keeps the ports of its start: --network slirp4netns can remove them")
		}
		h.ports = slices.DeleteFunc(h.ports, func(q Port) bool { return p == q })
	}
	return nil
}

// named finds the published ports that were typed, all or none of them.
func (h *Helper) named(typed []Port) ([]Port, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []Port
	for _, t := range typed {
		var like []Port
		for _, p := range h.ports {
			if p.Proto == t.Proto && p.Host == t.Host && (t.HostIP == "" || t.HostIP == p.HostIP || t.HostIP == "0.0.0.0" && p.HostIP == "") {
				like = append(like, p)
			}
		}
		switch {
		case len(like) == 0:
			return nil, fmt.Errorf("port %s of the host is not published", t.where())
		case len(like) > 1:
			return nil, fmt.Errorf("port %s of the host is published on several addresses: say which, %s or %s", t.where(), like[0].where(), like[1].where())
		case !slices.Contains(found, like[0]):
			found = append(found, like[0])
		}
	}
	return found, nil
}

// republish gives a new slirp4netns the ports of the one before, which has taken
// them and their ids with it.
func (h *Helper) republish() {
	if h.Handler != Own || h.Kind != Slirp4netns {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ports = slices.DeleteFunc(h.ports, func(p Port) bool {
		if _, fresh := h.ids[p]; fresh {
			return false
		}
		id, err := addForward(p)
		if err != nil {
			h.say("port %s is published no more: %v", p.where(), err)
			return true
		}
		h.ids[p] = id
		return false
	})
}

// unpublish gives up: a port that leads nowhere is closed and not listed.
func (h *Helper) unpublish(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.driver != nil {
		for _, p := range h.ports {
			h.driver.remove(p)
		}
	}
	if len(h.ports) > 0 {
		why += ", so its ports are published no more"
	}
	h.ports, h.lost = nil, why+"; delete the container and run it again"
	h.say("%s", why)
}
