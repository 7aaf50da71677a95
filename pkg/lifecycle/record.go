package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/state"
	"sandbox/pkg/userns"
	"sandbox/pkg/world"
)

// keepSpec writes down what the container is made from, beside the rest of the start. What is returned waits for it.
func keepSpec(d *state.Dir, s *specs.Spec, f filter) func() error {
	done := make(chan error, 1)
	go func() { done <- d.WriteSpec(s, f.Filter) }()
	return sync.OnceValue(func() error { return <-done })
}

// save writes down that there is a container.
func (b *birth) save(c *userns.Child) error {
	b.record = b.newRecord()
	if c.Payload != c.Pid {
		s, err := b.look(c.Payload)
		if errors.Is(err, os.ErrNotExist) {
			return errors.New("the payload has gone with its init before it could start")
		}
		if err != nil {
			return err
		}
		b.record.Init, b.record.InitBegin = c.Pid, b.record.Begin
		b.record.Pid, b.record.Begin = c.Payload, s.Begin
	}
	err := b.kept()
	if err == nil {
		err = b.dir.Write(&b.record)
	}
	if err != nil {
		return b.run.because(kernel.Op{Do: kernel.UseRuntime, Path: b.dir.Path}, fmt.Errorf("record the state: %w", err))
	}
	if b.userns() && !b.Silent && b.run.Self.Has(unix.CAP_CHOWN) {
		world.GiveFiles(c.Payload, b.Spec.Process, b.TTY)
	}
	if b.PidFile == "" {
		return nil
	}
	return writePid(b.PidFile, b.record.Pid)
}

func (b *birth) newRecord() state.Record {
	s := b.Spec
	rec := state.Record{
		OCIVersion: s.Version, ID: b.ID, Pid: b.pid, Begin: b.begin, Boot: b.boot,
		Bundle: b.Bundle, Rootfs: b.tree.Path(), Created: time.Now().UTC().Format(time.RFC3339Nano),
		Owner: b.run.Caller.UID, Annotations: s.Annotations,
		AutoRemove: b.AutoRemove, Hooked: s.Hooks != nil, NoPivot: b.NoPivot || !b.ownTree(), OwnPID: b.fresh(unix.CLONE_NEWPID),
		Contract: b.contract, NoNewKeyring: b.NoNewKeyring, Scoped: b.Scoped, Spec: s, Seccomp: b.filter.Filter,
		Helper: b.network.Recorded(), Share: b.share, Guards: b.Guards,
	}
	if h := b.Paths[b.Bundle]; h != nil {
		rec.BundleID = &h.ID
	}
	if h := b.tree.Dir(); h != nil {
		rec.RootfsID = &h.ID
	}
	if b.group.place.Owned {
		rec.Cgroup = b.group.place
	}
	if b.group.refusal != nil {
		rec.NoGroup = b.group.refusal.Error()
	}
	return rec
}
