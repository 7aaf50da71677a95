package cgroup2

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// scope is a transient scope unit that is being asked for (systemd.scope(5)).
type scope struct {
	host             Host
	bus, slice, unit string
	own              bool // the name is ours to change
	kept             bool // when it has failed
	properties       []property
	limits           []property // of the limits, which are also written
	newer            []property // of these, what only a newer systemd knows

	asked  bool // there is or was a unit of that name, for us
	dialed chan struct{}
	conn   *systemd
	err    error
}

// property is one of a unit, as StartTransientUnit takes it
// (org.freedesktop.systemd1(5)).
type property struct {
	Name  string
	Value dbus.Variant
}

// aux is the last argument of StartTransientUnit: units besides, always none.
type aux struct {
	Name       string
	Properties []property
}

func (h Host) newScope(w Want, bus string) (*scope, error) {
	id := w.ID
	w.ID = systemdEscape(w.ID)
	if w.Path == "" {
		w.ID = short(w.ID)
	}
	slice, unit, err := scopeName(w, h.System)
	if err != nil {
		return nil, err
	}
	s := &scope{host: h, bus: bus, slice: slice, unit: unit, own: w.Path == ""}
	s.properties = []property{
		{"Description", dbus.MakeVariant("sandbox container " + id)},
		{"Slice", dbus.MakeVariant(slice)},
		// What the container does below its group is its own business.
		{"Delegate", dbus.MakeVariant(true)},
		// No order to others at shutdown: the container may be what serves them.
		{"DefaultDependencies", dbus.MakeVariant(false)},
	}
	s.limits, s.newer = newer(propertiesFor(w.Writes))
	s.newer = append(s.newer, oomPolicy(w.Writes)...)
	asked, err := annotated(w.Annotations)
	if s.kept = len(asked) > 0; !s.kept {
		// A scope that has failed goes away as one that has not. With properties of its own, such as how long it may run,
		// somebody may want to know why.
		s.properties = append(s.properties, property{"CollectMode", dbus.MakeVariant("inactive-or-failed")})
	}
	s.properties = append(s.properties, asked...)
	return s, err
}

// connect begins to connect; the fork does not wait for it.
func (s *scope) connect() {
	s.dialed = make(chan struct{})
	go func() {
		defer close(s.dialed)
		s.conn, s.err = s.host.dial(s.bus)
	}()
}

// admit makes the scope around a process.
func (s *scope) admit(pid int) (Placement, error) {
	<-s.dialed
	if s.err != nil {
		return Placement{}, s.err
	}
	if err := s.frozen(); err != nil {
		return Placement{}, err
	}
	if err := s.start(pid); err != nil {
		return Placement{}, fmt.Errorf("start %s in %s: %w", s.unit, s.slice, err)
	}
	now, err := s.host.groupOf(strconv.Itoa(pid))
	if err != nil {
		return Placement{}, err
	}
	// A unit called as a file of a group would be ("memory.scope") has a directory
	// with "_" before its name.
	if dir := path.Base(now); dir != s.unit && dir != "_"+s.unit {
		return Placement{}, fmt.Errorf("systemd has started %s, and the process is in %s", s.unit, now)
	}
	if s.host.System {
		// Those that systemd knows nothing of, such as hugetlb and rdma; a user's manager was not given them.
		for _, dir := range ancestors(now) {
			s.host.Group(dir).passOn()
		}
	}
	return Placement{Path: now, Owned: true, Unit: s.unit, Bus: s.bus, Kept: s.kept}, nil
}

// frozen says whether the group that the scope is to have, or the slice around it, is frozen:
// systemd takes a directory that is there already, and the container would stop on its way. It
// is asked for names that somebody has chosen; nobody can have prepared our own.
func (s *scope) frozen() error {
	if s.own {
		return nil
	}
	var top dbus.Variant
	get := s.conn.conn.Object(systemdName, managerPath).CallWithContext(s.conn.ctx, "org.freedesktop.DBus.Properties.Get", 0, manager, "ControlGroup")
	if get.Store(&top) != nil {
		return nil // what is wrong with it shows when the scope is asked for
	}
	root, _ := top.Value().(string)
	for p := path.Join("/", root, sliceDir(s.slice), s.unit); p != "/"; p = path.Dir(p) {
		if is, err := s.host.Group(p).event("frozen"); is {
			return &OccupiedError{fmt.Sprintf("container's cgroup unexpectedly frozen: cgroup %s is frozen, by itself or by one above it", p)}
		} else if err == nil {
			return nil // it knows of those above, too
		}
	}
	return nil
}

// start asks for it. A name can be taken: by what is left of a container that has
// failed, by one that systemd has not collected yet, or by one that lives.
func (s *scope) start(pid int) error {
	name, give := s.unit, time.Now().Add(collecting)
	for try := 1; ; try++ {
		err := s.startUnit(pid)
		if notTaken(err) && len(s.newer) > 0 {
			s.newer = nil
			continue
		}
		if notTaken(err) && len(s.limits) > 0 {
			s.limits = nil
			continue
		}
		var refused dbus.Error
		if !errors.As(err, &refused) || refused.Name != "org.freedesktop.systemd1.UnitExists" {
			return err
		}
		switch {
		case try == 1:
			_ = s.conn.call("ResetFailedUnit", s.unit).Err // one that lives stays
		case s.own && try < 10:
			s.unit = fmt.Sprintf("%s-%d.scope", strings.TrimSuffix(name, ".scope"), try)
		case time.Now().After(give):
			return fmt.Errorf("%w: systemctl%s status %s", ErrUnitTaken, s.flag(), s.unit)
		default:
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// notTaken says whether systemd refused a property because its version does not know it:
// CPUQuotaPeriodUSec came with version 242, AllowedCPUs with 244, a CPUWeight of 0 with 252.
// The limits that were written to the cgroup's files hold without the property, until systemd
// writes these files again.
func notTaken(err error) bool {
	var refused dbus.Error
	return errors.As(err, &refused) &&
		(refused.Name == "org.freedesktop.DBus.Error.PropertyReadOnly" || refused.Name == "org.freedesktop.DBus.Error.InvalidArgs")
}

// collecting is how long systemd may take to forget a scope that has ended.
const collecting = time.Second

func (s *scope) flag() string {
	if s.host.System {
		return ""
	}
	return " --user"
}

func (s *scope) startUnit(pid int) error {
	properties := slices.Concat(s.properties, s.limits, s.newer, []property{{"PIDs", dbus.MakeVariant([]uint32{uint32(pid)})}})
	var job dbus.ObjectPath
	if err := s.conn.call("StartTransientUnit", s.unit, "fail", properties, []aux{}).Store(&job); err != nil {
		return err
	}
	s.asked = true
	return s.conn.job(job)
}

// stop ends a scope whose process has died on the way: it may have died before
// systemd began to look, which then never hears that the group is empty.
func (s *scope) stop() {
	if s.asked && s.conn != nil {
		_ = s.conn.call("StopUnit", s.unit, "replace").Err // there is none: as well
	}
}

func (s *scope) close() {
	if s.dialed == nil {
		return
	}
	<-s.dialed
	if s.conn != nil {
		s.conn.close()
		s.conn = nil
	}
}
