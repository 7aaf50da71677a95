package lifecycle

import (
	"path/filepath"

	"sandbox/pkg/handle"
	"sandbox/pkg/state"
	"sandbox/pkg/worktree"
)

// settle compares the directories that a container shared with what they were, where whoever started it has not done so:
// it was killed, or left the container to itself. What is there now and acts outside is moved aside and told.
func (r *Runtime) settle(rec *state.Record) {
	if rec == nil {
		return
	}
	for _, n := range rec.Guards {
		g, err := n.Open(r.memory())
		if err != nil { // gone too: somebody may have moved it
			r.Tell("not looked at what the command has left: " + err.Error())
			continue
		}
		for _, text := range g.Check() {
			r.Tell(text)
		}
		g.Close()
	}
	rec.Guards = nil
}

// memory is the file of what was not looked at, in the home that the user database says the caller has.
func (r *Runtime) memory() string {
	home, err := handle.Open(r.Home())
	if err != nil {
		return ""
	}
	defer home.Close()
	if home.UID != r.Caller.UID {
		return ""
	}
	return filepath.Join(home.Path, worktree.Doubts)
}

// Settled says that the caller has compared what the container shared, and that nobody else needs to.
func (r *Runtime) Settled(c *Container) {
	if len(c.Guards) == 0 {
		return
	}
	c.Guards = nil
	if c.AutoRemove {
		return // the record goes anyway
	}
	d, rec, err := r.Root.Lock(c.ID)
	if err != nil {
		return
	}
	defer d.Close()
	if rec.Pid == c.Pid && rec.Begin == c.Begin {
		rec.Guards = nil
		if err := d.Rewrite(rec); err != nil {
			r.Warn("record that " + c.ID + " was looked at: " + err.Error())
		}
	}
}
