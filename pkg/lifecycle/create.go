package lifecycle

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/handle"
	"sandbox/pkg/interrupt"
	"sandbox/pkg/kernel"
	"sandbox/pkg/network"
	"sandbox/pkg/proc"
	"sandbox/pkg/state"
	"sandbox/pkg/userns"
	"sandbox/pkg/worktree"
	"sandbox/pkg/world"
)

// Options say how a container is to be started; what it is, the spec says.
type Options struct {
	ID     string
	Bundle string // absolute
	Spec   *specs.Spec
	// Paths are the files of the host that were looked at for the spec. A start
	// uses those, and lets go of them when it has ended.
	Paths handle.Set `json:"-"`

	// Scoped: the payload shares a namespace with the host and is to reach nothing
	// there by name.
	Scoped bool

	Guards []worktree.Note // what is to be compared when it has ended

	// Before is called when all is made and the payload is about to begin.
	Before func() `json:"-"`

	Dirs   []string         // directories that are made for us alone where they are not there yet: the spec covers them
	Hidden []*handle.Handle // what of the host must not be seen, wherever it lies
	// Typed: the spec was made of flags, so that what is wrong with it is not in a config.json, and device nodes that lie in the
	// root cannot be opened.
	Typed bool
	Files []File // that the container begins with, in directories of its own

	PidFile      string
	TTY                   // of a payload that has a terminal
	PidfdSocket  *os.File // connected socket that gets a pidfd of the container's process
	PreserveFds  int      // how many fds from 3 on the payload inherits
	NoPivot      bool
	NoNewKeyring bool

	NoCgroup     bool   // stay in the caller's cgroup
	CgroupParent string // where to make one, when linux.cgroupsPath does not say
	Limits       string // Enforce or BestEffort; "" is what the spec's annotation says

	Attached   bool // the payload ends with this process (foreground run)
	AutoRemove bool // remove it when it has ended
	Init       bool // the container's first process only reaps
	// KeepSignals leaves those ignored that the caller ignores (nohup).
	KeepSignals bool
	Silent      bool // 0, 1 and 2 are the null device
	// Notify is the socket of a service manager that wants to know when the
	// payload is ready (NOTIFY_SOCKET of our own environment), "" for none.
	Notify string

	Layer *Layer `json:"-"` // of a root that is made of an image's layers; nil for every other

	Network *Network // nil: what the spec's namespaces are, and nothing is set up
	network *network.Network

	Contract kernel.Contract // what was decided before, such as the id range
	Require  []string        // features that must be granted
}

// File is one that a container begins with: a throw-away one, of which nothing on the host knows.
type File struct {
	Path string // in the container
	Data []byte
}

// Container is one that was just made by this process.
type Container struct {
	state.Record
	run    *Runtime
	child  *userns.Child
	status *os.File // where init tells how the payload ended
	// unhurried has the real-time signals passed on, with which nobody is in such a hurry that a command that ends at once
	// should pay for them: a tenth of a millisecond.
	unhurried func()
	oom       *oomWatch
	notify    *notifier
	job
}

// Create makes a container that waits for Start. When it returns an error,
// nothing of it is left.
func (r *Runtime) Create(o Options) (*Container, error) { return r.spawn(o, false) }

// spawn is create, or create and start in one.
func (r *Runtime) spawn(o Options, started bool) (*Container, error) {
	defer func() { o.Paths.Close() }()
	if err := kernel.ValidFeatures(o.Require); err != nil {
		return nil, err
	}
	if err := checkPreserved(o.PreserveFds); err != nil {
		return nil, err
	}
	d, err := r.Root.Claim(o.ID, r.evict)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var undo cleanup
	defer undo.run()
	undo.add(func() {
		o.Paths.Close() // what is to be removed has to be opened, and files may be what lacks
		if err := r.discard(d, nil, r.Warn); err != nil {
			r.Warn(err.Error())
		}
	})
	for _, dir := range o.Dirs {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, r.because(kernel.Op{Do: kernel.UseRuntime, Path: dir}, err)
		}
	}
	if o, err = r.complete(o, d); err != nil {
		return nil, err
	}
	if err := o.Layer.open(d); err != nil {
		return nil, err
	}
	defer o.network.Close()
	o.network.Begin(o.Attached)
	g, err := r.newProgram(o, d)
	if err != nil {
		return nil, err
	}
	defer g.close()
	kept := keepSpec(d, o.Spec, g.filter)
	undo.add(func() { _ = kept() }) // it is not to come into a directory that is being removed
	var notify *notifier
	if started {
		if notify, err = listenNotify(d, o.Notify); err != nil {
			return nil, err
		}
	}
	b := &birth{program: g, dir: d, kept: kept, started: started, contract: g.features().With(o.Contract)}
	c, err := b.launch()
	if err != nil {
		err = r.Signals.Rather(err, 0)
		notify.close()
		o.network.Abort()
		undo.run()
		undo.release()
		if b.hooked {
			r.poststop(&b.record) // runtime.md, "Lifecycle", step 3
		}
		return nil, err
	}
	undo.release()
	c.notify = notify
	return c, nil
}

// birth is one spawn under way.
type birth struct {
	*program
	dir      *state.Dir
	kept     func() error // waits until the spec is written down
	started  bool
	contract kernel.Contract
	record   state.Record
	begin    uint64
	boot     string
	pid      int
	hooked   bool // hooks have run that poststop may have to undo
}

func (b *birth) launch() (*Container, error) {
	c := &Container{run: b.run}
	files, err := b.openFiles(c)
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	if err := b.write(); err != nil {
		return nil, err
	}
	if rewrite := b.run.Rewrite; rewrite != nil {
		rewrite(b.plan)
	}
	until := ""
	if !b.started {
		until = gateReady
	}
	r := b.run
	if err := b.network.Settle(); err != nil {
		return nil, err
	}
	if err := b.openShare(); err != nil {
		return nil, err
	}
	if err := b.openGroup(); err != nil {
		b.undoShare()
		return nil, err
	}
	c.child, err = b.spawn(b.told(userns.Request{
		New: b.world.Flags(), Plan: b.plan, IDs: b.world.IDs, Maps: r.Maps, Caller: r.Caller, Group: b.group.dir,
		Born: b.born, Gate: b.gate, Note: b.note, Until: until, Signals: r.Signals,
		File: func(child *userns.Child, f *os.File) error {
			if taken, err := b.network.Take(f); taken {
				return err
			}
			return interrupt.Do(r.Signals, func() error { return b.filter.relay(f, child.Payload, &b.record, state.Created) })
		},
	}))
	if err != nil {
		if c.status != nil {
			c.status.Close()
		}
		b.network.Abort()
		b.group.undo()
		b.undoShare()
		return nil, r.explain(b.program, err)
	}
	b.group.request.Done()
	c.Record = b.record
	b.tell(c)
	if b.Attached {
		c.oom = b.watchMemory()
	}
	return c, nil
}

// openFiles opens what the child inherits by number: the start socket, or the
// pipe of init.
func (b *birth) openFiles(c *Container) (files []*os.File, err error) {
	if !b.started {
		l, err := listen(b.dir)
		if err != nil {
			return nil, b.run.because(kernel.Op{Do: kernel.UseRuntime, Path: b.dir.Path}, err)
		}
		b.listen, files = int(l.Fd()), append(files, l)
	}
	if b.Silent || len(world.HalfNull(b.Spec.Process, b.TTY)) > 0 {
		null, err := openNull()
		if err != nil {
			return files, err
		}
		b.null, files = int(null.Fd()), append(files, null)
	}
	if b.reaps && b.Attached {
		r, w, err := os.Pipe()
		if err != nil {
			return files, err
		}
		c.status, b.status, files = r, int(w.Fd()), append(files, w)
	}
	return files, nil
}

// openNull opens the caller's null device.
func openNull() (*os.File, error) {
	fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	f := os.NewFile(uintptr(fd), os.DevNull)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(1, 3) {
		f.Close()
		return nil, fmt.Errorf("%s is not the null device", os.DevNull)
	}
	return f, nil
}

// born is called when there is a process, while it works on its first steps:
// whatever happens to us from here on, the record leads to it. A child that
// finds no parent at its next gate ends by itself.
func (b *birth) born(pid int) error {
	s, err := b.look(pid)
	if err != nil {
		return err
	}
	b.pid, b.begin, b.boot = pid, s.Begin, proc.Boot()
	b.group.admit(pid)
	if err := b.run.joinShare(b.share, pid); err != nil {
		return err
	}
	if b.userns() && b.run.raises() {
		if err := confine.RaiseOf(pid, b.Spec.Process.Rlimits); err != nil {
			return err
		}
	}
	return b.network.Open(pid, b.userns())
}

func (b *birth) look(pid int) (proc.Stat, error) {
	s, err := proc.Look(pid)
	if err != nil {
		err = b.run.because(kernel.Op{Do: kernel.LookAt}, fmt.Errorf("look at the new process: %w", err))
	}
	return s, err
}

// gate answers the child's gates.
func (b *birth) gate(c *userns.Child, name string) error {
	switch name {
	case gateGroup:
		return b.grouped()
	case network.Gate:
		// The API's socket is made in a directory of the caller's.
		root, uid := b.world.IDs.HostUID(0)
		_, gid := b.world.IDs.HostGID(0)
		rootID := uid && gid && (!b.network.MakesSocket() || root == b.run.Caller.UID)
		b.network.Start(b.pid, rootID, b.run.Warn)
	case gateDevices:
		return moveDevices(b.Spec.Linux.NetDevices, b.pid)
	case gateHooks:
		b.record, b.hooked = b.newRecord(), true
		return b.runtimeHooks()
	case gateReady:
		if b.Before != nil {
			b.Before()
		}
		b.degrade()
		if err := b.contract.Require(b.Require); err != nil {
			return err
		}
		if err := b.network.Wait(b.run.Signals); err != nil {
			return err
		}
		if err := b.save(c); err != nil {
			return err
		}
		if err := sendPidfd(b.PidfdSocket, "standard", b.record.Pid); err != nil {
			return err
		}
		if b.started {
			b.hooked = b.hooked || b.Spec.Hooks != nil && len(b.Spec.Hooks.StartContainer) > 0
			return b.run.startHooks(&b.record)
		}
	}
	return nil
}

// checkPreserved refuses fds that are not there: the payload would get
// something else under that number. Fds of our own are close-on-exec, those
// we were given are not.
func checkPreserved(n int) error {
	if n < 0 {
		return fmt.Errorf("--preserve-fds: %d is negative", n)
	}
	for fd := 3; fd < 3+n; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			return fmt.Errorf("--preserve-fds %d: file descriptor %d is not open", n, fd)
		}
	}
	return nil
}
