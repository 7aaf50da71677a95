package cgroup2

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
)

// Manager says who makes groups.
type Manager string

// The managers. Auto takes what works: systemd where it answers, else a directory
// of ours, else the group we are in.
const (
	Auto     Manager = ""
	Systemd  Manager = "systemd"
	Cgroupfs Manager = "cgroupfs"
	Disabled Manager = "disabled"
)

// Want is what a container asks for.
type Want struct {
	ID          string
	Path        string // linux.cgroupsPath: SLICE:PREFIX:NAME for systemd, else a path
	Parent      string // --cgroup-parent: a slice, or the path of a directory
	Manager     Manager
	Annotations map[string]string // org.systemd.property.*
	Writes      []Write           // systemd is told of those it knows
}

// Named says whether somebody has said where or by whom the group is made: one that cannot
// be had so is an error, and not another one.
func (w Want) Named() bool { return w.Manager != Auto || w.Path != "" || w.Parent != "" }

// Request is the way to one group, decided and not yet gone.
type Request struct {
	host  Host
	scope *scope
	dir   string // the group's path, where it is a directory
	why   error  // there is neither
	made  made
	named bool // the caller said where: not to be had is an error

	chosen bool // the caller said which directory: one that is there already is meant
}

// Plan decides where a group comes from. It only reads.
func (h Host) Plan(w Want) (*Request, error) {
	r := &Request{host: h, named: w.Named()}
	slice := strings.Count(w.Path, ":") == 2
	switch {
	case w.Manager == Disabled:
		return &Request{host: h, why: ErrDisabled}, nil
	case w.Manager != Auto && w.Manager != Systemd && w.Manager != Cgroupfs:
		return nil, fmt.Errorf("unknown cgroup manager %q: systemd, cgroupfs or disabled", w.Manager)
	}
	if r.why = h.v2(); r.why != nil {
		// A path of version 1, which is all that there is, is no place here; engines always name one.
		r.named = r.named && (w.Manager != Auto || !errors.Is(r.why, ErrNoV2))
		return r, r.must()
	}
	if w.Manager == Systemd || w.Manager == Auto && (w.Path == "" || slice) && (w.Parent == "" || strings.HasSuffix(w.Parent, ".slice")) {
		var bus string
		if bus, r.why = h.bus(); r.why == nil {
			var err error
			r.scope, err = h.newScope(w, bus)
			return r, err
		}
		if w.Manager == Systemd || slice {
			return r, r.must()
		}
	}
	r.chosen = w.Path != ""
	if r.dir, r.why = h.directory(w); r.why == nil {
		r.why = h.reachable(r.dir)
	}
	return r, r.must()
}

func (r *Request) must() error {
	if r.named && r.why != nil {
		return r.why
	}
	return nil
}

// Moves says whether there is to be a group other than the caller's.
func (r *Request) Moves() bool { return r.why == nil }

// Why is the reason that there is none; it wraps one of the errors above.
func (r *Request) Why() error { return r.why }

// Place is what is known of the placement before there is a process: a
// directory, or the name of a scope that may come to be. Whoever removes it finds
// what we have left if we are killed on the way.
func (r *Request) Place() (Placement, bool) {
	switch {
	case r.why != nil:
		return Placement{}, false
	case r.scope != nil:
		return Placement{Owned: true, Unit: r.scope.unit, Bus: r.scope.bus, Kept: r.scope.kept}, true
	}
	return Placement{Path: r.dir, Owned: true}, true
}

// Open makes a group that is a directory, and returns that for
// CLONE_INTO_CGROUP; nil is one that the process has to be moved to. Systemd is only
// connected to: its scope needs a process.
func (r *Request) Open() (*os.File, error) {
	switch {
	case r.why != nil:
		return nil, nil
	case r.scope != nil:
		r.scope.connect()
		return nil, nil
	}
	var err error
	if r.made, err = r.host.makeDirectory(r.dir, !r.chosen); err != nil {
		return nil, err
	}
	if len(r.made) == 0 {
		// A group where cgroup.kill was once written can kill who is born in it (seen
		// on Linux 6.18; TestLiveKilledBefore). One moved to it later lives.
		return nil, nil
	}
	return openDirectory(r.host.Group(r.dir))
}

// Admit returns when the process is in its group.
func (r *Request) Admit(pid int) (Placement, error) {
	switch {
	case r.why != nil:
		return Placement{}, nil
	case r.scope != nil:
		return r.scope.admit(pid)
	}
	p := Placement{Path: r.dir, Owned: true}
	if now, err := r.host.groupOf(strconv.Itoa(pid)); err == nil && now == path.Clean(r.dir) {
		return p, nil
	}
	return p, r.host.Group(r.dir).add(pid)
}

// Undo ends what was begun: nobody is in the group.
func (r *Request) Undo() {
	if r.scope != nil {
		r.scope.stop()
		r.scope.close()
	}
	r.made.undo()
}

// Done lets go of what was only needed for the way.
func (r *Request) Done() {
	if r.scope != nil {
		r.scope.close()
	}
}
