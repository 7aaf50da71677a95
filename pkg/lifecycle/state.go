package lifecycle

import (
	"os/user"
	"strconv"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/kernel"
)

// Status is where a container is between create and delete (runtime-spec,
// "State").
type Status string

// The statuses; Creating is only seen by hooks.
const (
	Creating Status = "creating"
	Created  Status = "created"
	Running  Status = "running"
	Paused   Status = "paused"
	Stopped  Status = "stopped"
)

// State is what `state` and `list` print, field by field what runc prints, and
// the contract.
type State struct {
	OCIVersion  string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Pid         int               `json:"pid"` // 0 when stopped
	Status      Status            `json:"status"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     string            `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Owner       string            `json:"owner"`
	Contract    kernel.Contract   `json:"contract,omitempty"`

	OOM *cgroup2.OOM `json:"oom,omitempty"` // the kernel's out-of-memory killer was in it
}

// statusIn is the status of the container whose directory that is.
func (r *Runtime) statusIn(d *dir, rec *Record) Status {
	if !rec.alive() {
		return Stopped
	}
	if r.paused(rec) {
		return Paused
	}
	if d.has(startFile) {
		return Created
	}
	return Running
}

// State looks at one container.
func (r *Runtime) State(id string) (*State, error) {
	d, rec, err := r.find(id)
	if err != nil {
		return nil, err
	}
	defer d.close()
	return r.stateOf(d, rec), nil
}

func (r *Runtime) stateOf(d *dir, rec *Record) *State {
	s := rec.state(r.statusIn(d, rec))
	if s.OOM == nil && rec.Cgroup.Owned {
		s.OOM = r.Groups.Group(rec.Cgroup.Path).OOM()
	}
	return s
}

func (r *Record) state(status Status) *State {
	s := &State{
		OCIVersion: r.OCIVersion, ID: r.ID, Pid: r.Pid, Status: status, Bundle: r.Bundle, Rootfs: r.Rootfs,
		Created: r.Created, Annotations: r.Annotations, Owner: ownerName(r.Owner), Contract: r.Contract, OOM: r.OOM,
	}
	if status == Stopped {
		s.Pid = 0
	}
	return s
}

// ownerName is the login name of a uid, or "#uid" as runc prints one without.
func ownerName(uid uint32) string {
	id := strconv.Itoa(int(uid))
	u, err := user.LookupId(id)
	if err != nil {
		return "#" + id
	}
	return u.Username
}
