package slirp

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// publish asks the handler for a port. held listens already where the handler is ours,
// and is taken.
func (h *Helper) publish(p Port, held *os.File) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost != "" {
		return errors.New(h.lost)
	}
	if slices.Contains(h.ports, p) {
		return fmt.Errorf("port %s is published already", p.where())
	}
	if err := h.handler().add(h, p, held); err != nil {
		return err
	}
	h.ports = append(h.ports, p)
	return nil
}

// withdraw ends published ports; TCP connections that are there go on.
func (h *Helper) withdraw(list []Port) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range list {
		if err := h.handler().remove(h, p); err != nil {
			return err
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

// republish tells a new carrier of the ports of the one before, which has taken
// them and their ids with it.
func (h *Helper) republish() {
	handler := h.handler()
	if handler.socket == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ports = slices.DeleteFunc(h.ports, func(p Port) bool {
		if _, fresh := h.ids[p]; fresh {
			return false
		}
		err := handler.add(h, p, nil)
		if err != nil {
			h.say("port %s is published no more: %v", p.where(), err)
		}
		return err != nil
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
