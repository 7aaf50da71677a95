package lifecycle

import (
	"sync"

	"golang.org/x/sys/unix"

	"sandbox/pkg/cgroup2"
)

// oomWatch looks for the kernel's out-of-memory killer while this process waits for
// a payload: when the last process has ended, systemd removes the group, and with it
// all that it would tell.
type oomWatch struct {
	memory *cgroup2.MemoryEvents
	busy   sync.Mutex
	seen   *cgroup2.OOM
}

// watchMemory begins to watch a container whose memory is limited; nil is none.
func (b *birth) watchMemory() *oomWatch {
	for _, w := range b.group.writes {
		if w.File != "memory.max" || w.Value == "max" {
			continue
		}
		memory, err := b.run.Groups.Group(b.group.place.Path).WatchMemory()
		if err != nil {
			return nil // it has ended already, or is not limited: the contract says so
		}
		o := &oomWatch{memory: memory}
		go o.run()
		return o
	}
	return nil
}

// run ends with the process, or when the group has gone.
func (o *oomWatch) run() {
	poll := priority(o.memory)
	for o.look() == nil {
		_, _ = unix.Poll(poll, -1)
	}
}

func (o *oomWatch) look() error {
	o.busy.Lock()
	defer o.busy.Unlock()
	oom, err := o.memory.New()
	if oom != nil {
		o.seen = oom
	}
	return err
}

// ended looks once more.
func (o *oomWatch) ended() {
	if o != nil {
		_ = o.look()
	}
}

// OOM is what the out-of-memory killer has done in a container that this process
// has waited for; nil is nothing.
func (c *Container) OOM() *cgroup2.OOM {
	if c.oom == nil {
		return nil
	}
	c.oom.busy.Lock()
	defer c.oom.busy.Unlock()
	return c.oom.seen
}
