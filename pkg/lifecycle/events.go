package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/state"
)

// Event is one line of `events`, in runc's shape: stats, with data, or oom.
type Event struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Data *Usage `json:"data,omitempty"`
}

// Usage is what a container has used, in runc's shape.
type Usage = cgroup2.Stats

// Stats is what a container has used until now; without a group, what is known of its processes.
func (r *Runtime) Stats(id string) (*Usage, error) {
	rec, g, err := r.look(id)
	if err != nil {
		return nil, err
	}
	return usage(rec, g)
}

// Events calls tell with the container's stats after each interval, and whenever
// the kernel's out-of-memory killer has been in the container, until that ends.
func (r *Runtime) Events(id string, interval time.Duration, tell func(Event) error) error {
	rec, g, err := r.look(id)
	if err != nil {
		return err
	}
	process, err := openPayload(rec)
	if err != nil {
		return err
	}
	defer process.Close()
	w := &watch{runtime: r, record: rec, id: id, group: g, process: process, tell: tell}
	if w.memory, err = w.watchMemory(); err != nil {
		r.Warn("nothing will be said of the out-of-memory killer: " + err.Error())
	} else {
		defer w.memory.Close()
	}
	return w.run(interval)
}

// watch is one `events` under way.
type watch struct {
	runtime *Runtime
	id      string
	record  *state.Record
	group   *cgroup2.Group // nil: it has none
	process *os.File       // pidfd: readable when the container has ended
	memory  *cgroup2.MemoryEvents
	tell    func(Event) error
	gone    bool // the group is: its descriptors are always ready then
}

func (w *watch) run(interval time.Duration) error {
	poll := []unix.PollFd{{Fd: int32(w.process.Fd()), Events: unix.POLLIN}}
	if w.memory != nil {
		poll = append(poll, priority(w.memory)...)
	}
	next := time.Now().Add(interval)
	for {
		if w.gone {
			poll = poll[:1]
		}
		n, err := unix.Poll(poll, max(0, int(time.Until(next).Milliseconds())+1))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for events: %w", err)
		}
		// First what was before the end.
		if err := w.killed(); err != nil {
			return err
		}
		if n > 0 && poll[0].Revents != 0 {
			return nil
		}
		if time.Now().Before(next) {
			continue
		}
		next = next.Add(interval)
		s, err := usage(w.record, w.group)
		if cgroup2.Gone(err) || errors.Is(err, ErrNotRunning) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.tell(Event{Type: "stats", ID: w.id, Data: s}); err != nil {
			return err
		}
	}
}

func (w *watch) watchMemory() (*cgroup2.MemoryEvents, error) {
	if w.group == nil {
		return nil, errors.New("the container has no cgroup of its own")
	}
	return w.group.WatchMemory()
}

// priority are the descriptors of a watch, for poll(2).
func priority(m *cgroup2.MemoryEvents) []unix.PollFd {
	fds := m.Fds()
	return []unix.PollFd{{Fd: int32(fds[0]), Events: unix.POLLPRI}, {Fd: int32(fds[1]), Events: unix.POLLPRI}}
}

// killed tells of the out-of-memory killer, and writes it down: the group may be
// gone a moment later.
func (w *watch) killed() error {
	if w.memory == nil {
		return nil
	}
	oom, err := w.memory.New()
	if err != nil || oom == nil {
		w.gone = w.gone || err != nil // the pidfd tells the rest
		return nil
	}
	w.runtime.noteOOM(w.id, oom)
	return w.tell(Event{Type: "oom", ID: w.id})
}

// noteOOM records what the killer has done. It is an explanation and not worth an
// error: another verb may have the container, which looks for itself.
func (r *Runtime) noteOOM(id string, oom *cgroup2.OOM) {
	d, rec, err := r.Root.Lock(id)
	if err != nil {
		if d != nil {
			d.Close()
		}
		return
	}
	defer d.Close()
	rec.OOM = oom
	_ = d.Rewrite(rec)
}
