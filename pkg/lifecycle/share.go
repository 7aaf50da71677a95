package lifecycle

import (
	"encoding/json"
	"fmt"

	"sandbox/pkg/resctrl"
	"sandbox/pkg/state"
)

// planShare decides on linux.intelRdt. Nothing is made yet.
func (g *program) planShare() (err error) {
	if g.Spec.Linux != nil && g.Spec.Linux.IntelRdt != nil {
		g.share, err = g.run.Shares.Plan(g.ID, g.Spec.Linux.IntelRdt)
	}
	return err
}

// openShare makes the groups, which are written down before.
func (b *birth) openShare() error {
	if b.share == nil {
		return nil
	}
	if own := b.share.Own(); len(own) > 0 {
		if err := b.dir.Note(state.ShareLink, own); err != nil {
			return err
		}
	}
	return b.run.Shares.Make(b.share)
}

func (b *birth) undoShare() {
	if b.share != nil {
		b.run.Shares.Undo(b.share)
	}
}

// joinShare puts a process of the container in.
func (r *Runtime) joinShare(s *resctrl.Share, pid int) error {
	if s == nil {
		return nil
	}
	return r.Shares.Join(s, pid)
}

// leaveShare removes the groups that end with the container.
func (r *Runtime) leaveShare(d *state.Dir) {
	var own []string
	if json.Unmarshal([]byte(d.Link(state.ShareLink)), &own) == nil {
		r.Shares.Remove(own)
	}
}

// UpdateShare writes lines to the schemata of a container's group.
func (r *Runtime) UpdateShare(id string, lines []string) error {
	d, rec, err := r.Root.Lock(id)
	if err != nil {
		return state.NotExist(d, err)
	}
	defer d.Close()
	switch {
	case r.statusIn(d, rec) == state.Stopped:
		return fmt.Errorf("cannot update a stopped container: %w", ErrNotRunning)
	case rec.Share == nil:
		return fmt.Errorf("container %s was made without linux.intelRdt: it has everybody's share of caches and memory bandwidth", quote(id))
	}
	return r.Shares.Set(rec.Share.Group, lines)
}
