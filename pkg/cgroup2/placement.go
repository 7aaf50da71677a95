package cgroup2

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// Placement is where a container lives, with what a later process needs to act
// on it, in whatever environment that is. The zero value is the group of whoever
// started it.
type Placement struct {
	Path  string `json:"path,omitempty"`
	Owned bool   `json:"owned,omitempty"` // made for this container, removed with it
	Unit  string `json:"unit,omitempty"`  // of systemd, "" for a directory
	Bus   string `json:"bus,omitempty"`   // the socket at which that systemd answers
	// Kept says that systemd remembers the unit when it has failed, for whoever asks it why, until the container is removed.
	Kept bool `json:"kept,omitempty"`
}

// Below is a group below the container's own, by its path from there; "" is that one itself.
func (p Placement) Below(sub string) (string, error) {
	group := path.Join(p.Path, sub)
	if group != p.Path && !strings.HasPrefix(group, strings.TrimSuffix(p.Path, "/")+"/") {
		return "", fmt.Errorf("bad sub cgroup path: %s is not below the container's own", sub)
	}
	return group, nil
}

// Join moves a process into a group at or below the placement. From another
// session of the same user the kernel forbids the plain write: the first group
// above both is not ours. Systemd may do it (AttachProcessesToUnit, version 238).
func (p Placement) Join(h Host, group string, pid int) error {
	err := h.Group(group).add(pid)
	if err == nil || p.Unit == "" || !refusedByPlace(err) || !strings.HasPrefix(group+"/", p.Path+"/") {
		return err
	}
	s, dialErr := h.dial(p.Bus)
	if dialErr != nil {
		return fmt.Errorf("%w; and %w", err, dialErr)
	}
	defer s.close()
	below := strings.TrimPrefix(group, p.Path)
	if err := s.call("AttachProcessesToUnit", p.Unit, below, []uint32{uint32(pid)}).Err; err != nil {
		return fmt.Errorf("ask systemd to move process %d to %s: %w", pid, p.Unit, err)
	}
	return nil
}

// Update tells systemd of changed limits, where it has the group.
func (p Placement) Update(h Host, writes []Write) error {
	properties := propertiesFor(writes)
	if p.Unit == "" || len(properties) == 0 {
		return nil
	}
	s, err := h.dial(p.Bus)
	if err != nil {
		return err
	}
	defer s.close()
	err = s.call("SetUnitProperties", p.Unit, true, properties).Err
	if older, newer := newer(properties); notTaken(err) && len(newer) > 0 && len(older) > 0 {
		err = s.call("SetUnitProperties", p.Unit, true, older).Err
	}
	if err != nil && !notTaken(err) {
		return fmt.Errorf("set the properties of %s: %w", p.Unit, err)
	}
	// Systemd writes them after it has answered, before it hears another question
	// (manager_loop). What it writes besides, we write again after that.
	_ = s.call("GetUnit", p.Unit).Err
	return nil
}

// Remove removes the group once nobody is in it. A scope is collected by systemd,
// which hears from the kernel that it is empty: to remove the directory first would
// take the news from it, and leave the unit for ever.
func (p Placement) Remove(h Host) error {
	g := h.Group(p.Path)
	switch {
	case !p.Owned:
		return nil
	case p.Path == "":
		return p.abandoned(h)
	case p.Unit != "":
		err := g.empty()
		if p.Kept && err == nil {
			p.forget(h)
		}
		return err
	}
	return g.Remove()
}

// forget has systemd forget a unit that has failed; another one stays what it is.
func (p Placement) forget(h Host) {
	if s, err := h.dial(p.Bus); err == nil {
		_ = s.call("ResetFailedUnit", p.Unit).Err
		s.close()
	}
}

// abandoned stops a scope that was asked for by somebody who was killed before it
// was known to be there. The name may be another's: one with processes stays.
func (p Placement) abandoned(h Host) error {
	// Perhaps the same systemd that has kept somebody waiting just now.
	h.Patience = min(h.patience(), time.Second)
	s, err := h.dial(p.Bus)
	if err != nil {
		return nil //nolint:nilerr // without systemd there is no scope
	}
	defer s.close()
	var unit dbus.ObjectPath
	if s.call("GetUnit", p.Unit).Store(&unit) != nil {
		return nil // the usual case
	}
	where, err := s.conn.Object(systemdName, unit).GetProperty("org.freedesktop.systemd1.Scope.ControlGroup")
	if err != nil {
		return nil //nolint:nilerr // it has gone meanwhile
	}
	group, _ := where.Value().(string)
	if lives, err := h.Group(group).Populated(); err != nil || lives || group == "" {
		return err
	}
	return s.call("StopUnit", p.Unit, "replace").Err
}
