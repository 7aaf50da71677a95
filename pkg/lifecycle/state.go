package lifecycle

import (
	"os/user"
	"strconv"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/kernel"
	"sandbox/pkg/state"
)

// State is what `state` and `list` print, field by field what runc prints, and
// the contract.
type State struct {
	OCIVersion  string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Pid         int               `json:"pid"` // 0 when stopped
	Status      state.Status      `json:"status"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     string            `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Owner       string            `json:"owner"`
	Contract    kernel.Contract   `json:"contract,omitempty"`

	OOM *cgroup2.OOM `json:"oom,omitempty"` // the kernel's out-of-memory killer was in it
}

// statusIn is the status of the container whose directory that is.
func (r *Runtime) statusIn(d *state.Dir, rec *state.Record) state.Status {
	if !rec.Alive() {
		return state.Stopped
	}
	if r.paused(rec) {
		return state.Paused
	}
	if d.Has(state.StartFile) {
		return state.Created
	}
	return state.Running
}

// State looks at one container.
func (r *Runtime) State(id string) (*State, error) {
	d, rec, err := r.Root.Find(id)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return r.stateOf(d, rec), nil
}

func (r *Runtime) stateOf(d *state.Dir, rec *state.Record) *State {
	s := shown(rec, r.statusIn(d, rec))
	if s.OOM == nil && rec.Cgroup.Owned {
		s.OOM = r.Groups.Group(rec.Cgroup.Path).OOM()
	}
	return s
}

func shown(r *state.Record, status state.Status) *State {
	s := &State{
		OCIVersion: r.OCIVersion, ID: r.ID, Pid: r.Pid, Status: status, Bundle: r.Bundle, Rootfs: r.Rootfs,
		Created: r.Created, Annotations: r.Annotations, Owner: ownerName(r.Owner), Contract: r.Contract, OOM: r.OOM,
	}
	if status == state.Stopped {
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
