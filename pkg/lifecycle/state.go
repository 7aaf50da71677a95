package lifecycle

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

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
func (r *Runtime) statusIn(dir string, rec *Record) Status {
	if !rec.alive() {
		return Stopped
	}
	if r.paused(rec) {
		return Paused
	}
	if _, err := os.Lstat(filepath.Join(dir, startFile)); err == nil {
		return Created
	}
	return Running
}

// State looks at one container.
func (r *Runtime) State(id string) (*State, error) {
	path, err := r.path(id)
	if err != nil {
		return nil, err
	}
	rec, err := readRecord(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	return r.state(path, rec), nil
}

func (r *Runtime) state(dir string, rec *Record) *State {
	s := rec.state(r.statusIn(dir, rec))
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

// sweep removes what a foreground run that was killed could not remove itself.
func (r *Runtime) sweep(id string) bool {
	path, err := r.path(id)
	if err != nil {
		return false
	}
	var rec *Record
	over := func() bool {
		var err error
		rec, err = readRecord(path)
		return err == nil && rec.AutoRemove && rec.Hooks == nil && !rec.alive()
	}
	if !over() {
		return false
	}
	d, err := openDir(path, unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		return false
	}
	if !over() { // what we saw before the lock may have been another one
		d.close()
		return false
	}
	r.discard(d, rec)
	return true
}

// List looks at all containers, by name. Directories without a record are
// being made or left over, and are no containers; a damaged record is told
// through warn and does not hide the others.
func (r *Runtime) List() ([]State, error) {
	entries, err := os.ReadDir(r.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []State
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if r.sweep(e.Name()) {
			continue
		}
		s, err := r.State(e.Name())
		if err != nil {
			if !errors.Is(err, ErrNotExist) {
				r.Warn(err.Error())
			}
			continue
		}
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b State) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}
