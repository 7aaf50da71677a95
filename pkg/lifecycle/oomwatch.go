package lifecycle

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sandbox/pkg/cgroup2"
)

// oomWatch looks for the kernel's out-of-memory killer while this process waits for
// a payload: when the last process has ended, systemd removes the group, and with it
// all that it would tell.
type oomWatch struct {
	memory *cgroup2.MemoryEvents
	seen   atomic.Pointer[cgroup2.OOM]
}

// watchMemory begins to watch a container whose memory is limited; nil is none.
func (b *birth) watchMemory() *oomWatch {
	for _, w := range b.group.writes {
		if w.File != "memory.max" || w.Value == "max" {
			continue
		}
		memory, err := b.program.run.Groups.Group(b.group.place.Path).WatchMemory()
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
	poll := []unix.PollFd{{Fd: int32(o.memory.Fd()), Events: unix.POLLPRI}}
	for {
		if oom, err := o.memory.New(); err != nil {
			return
		} else if oom != nil {
			o.seen.Store(oom)
		}
		_, _ = unix.Poll(poll, -1)
	}
}

// ended looks once more, where the group is still there.
func (o *oomWatch) ended() {
	if o != nil && o.seen.Load() == nil {
		if oom, err := o.memory.New(); err == nil && oom != nil {
			o.seen.Store(oom)
		}
	}
}

// OOM is what the out-of-memory killer has done in a container that this process
// has waited for; nil is nothing.
func (c *Container) OOM() *cgroup2.OOM {
	if c.oom == nil {
		return nil
	}
	return c.oom.seen.Load()
}
