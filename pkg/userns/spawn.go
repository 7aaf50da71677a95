package userns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"sandbox/pkg/idmap"
	"sandbox/pkg/interrupt"
	"sandbox/pkg/plan"
	"sandbox/pkg/proc"
)

// Request says how a process is to be born.
type Request struct {
	New  uintptr    // CLONE_NEW* of the fork itself; a plan that joins forks again by its own steps
	Plan *plan.Plan // what the child does

	// Group is the directory of the cgroup the child is born in (CLONE_INTO_CGROUP,
	// Linux 5.7); nil for ours. To write to cgroup.procs afterwards would stop all
	// forks of the host for a moment, and wait for that (cgroup_threadgroup_rwsem).
	Group *os.File

	IDs    idmap.Map    // for a new user namespace; identity writes nothing
	Maps   idmap.Host   // where helpers and ranges are found
	Caller idmap.Caller // who we are

	// Born is told the process id, in our pid namespace, as soon as it is
	// known and before any gate is answered.
	Born func(pid int) error
	// Gate is asked at every gate but "mapped"; an error ends the child.
	Gate func(c *Child, name string) error
	// Note hears every note but those above.
	Note func(name string)
	// File gets what the child hands over ([HandOver]) and owns it.
	File func(c *Child, f *os.File) error
	// Over is asked from time to time while the child says nothing; true ends it, and Spawn's error is ErrOver. nil is never.
	Over func() bool
	// Signals that come while the child is no payload yet end it: Spawn's error is an [*interrupt.Error].
	Signals *interrupt.Signals
	// Until ends Spawn after this gate was answered, leaving a child that
	// will wait for somebody else. "" waits for the exec.
	Until string
}

// Child is a process that was born. It is a child of this process and must be
// waited for unless this process is about to end.
type Child struct {
	Pid   int      // in our pid namespace
	PidFD *os.File // of it; nil for a child made by a plan's own fork

	// Payload is the process that became the program: Pid, or the child of
	// Pid where that stays as init.
	Payload int
}

// Spawn forks, lets the child run the plan and returns when the child has
// become its payload or has passed the gate Until. A plan that is not Private and
// makes the child by a second fork leaves us as hidden as the child has made itself
// (PR_SET_DUMPABLE). On an error nothing is left of the child: it is dead and waited
// for. Errors are *BirthError, *MapError, *Error, *interrupt.Error, or what a callback returned.
func Spawn(r Request) (*Child, error) {
	ours, theirs, err := pair()
	if err != nil {
		return nil, err
	}
	// A child that we leave waiting would keep all our memory for as long as it
	// waits; a copy is only what we have written to.
	r.Plan.Private = r.Plan.Private || r.Until != ""
	spare(r.Plan, theirs)
	pr, err := prepare(r.Plan, theirs, ours)
	if err != nil {
		unix.Close(ours)
		unix.Close(theirs)
		return nil, err
	}
	if !pr.launches {
		defer keepDumpable()()
	}
	if r.Group != nil {
		pr.group = uint64(r.Group.Fd())
		r.New |= unix.CLONE_INTO_CGROUP
	}
	pid, pidfd, errno := pr.fork(r.New)
	unix.Close(theirs)
	if errno != 0 {
		unix.Close(ours)
		return nil, &BirthError{Flags: r.New, Errno: errno}
	}
	b := &birth{Request: r, sock: ours, first: pid, child: &Child{Pid: pid, Payload: pid, PidFD: os.NewFile(uintptr(pidfd), "pidfd")}}
	if err = b.run(); err != nil {
		err = r.Signals.Rather(err, killedBy(err))
		if given(err) {
			b.search()
		}
	}
	// Before abort waits: a child at a gate ends when it finds nobody there.
	unix.Close(ours)
	if err != nil {
		b.abort()
		return nil, err
	}
	b.reapFirst()
	runtime.KeepAlive(pr)
	return b.child, nil
}

// keepDumpable returns what gives us back the right to our own files in /proc: a
// child that shares our memory has hidden us too (PR_SET_DUMPABLE is about
// memory), until it left it.
//
// It may not have left it yet when a launcher has made it. As of Linux 6.12, or
// before, an exec closes files first and wakes the launcher, which sleeps as after
// vfork(2), before it takes its new memory: with the launcher's end nobody holds the
// socket any more, and we go on. Whoever is in the pid namespace that the child is
// born in could look into it, and so into us. Then we stay hidden.
func keepDumpable() func() {
	was, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || was != 1 {
		return func() {}
	}
	return func() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }
}

// pair makes the socket between parent and child. SOCK_SEQPACKET keeps
// messages apart and tells the end of the other side; SO_PASSCRED says which
// process spoke, by its pid as seen from here.
func pair() (ours, theirs int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("make a socket for the child: %w", err)
	}
	if err := unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return -1, -1, fmt.Errorf("make a socket for the child: %w", err)
	}
	return fds[0], fds[1], nil
}

// birth is a spawn under way.
type birth struct {
	Request
	sock    int
	first   int // the process we forked; may have forked the child as its brother
	child   *Child
	install *idmap.Install
	execing bool
	brother int // of first, found stopped before it has told its number; 0: none
}

func (b *birth) run() error {
	if !b.forks() { // else the first process has no ids to be mapped, and is not the one to be recorded
		if err := b.born(b.first); err != nil {
			return err
		}
	}
	for {
		if err := b.await(); err != nil {
			return err
		}
		p, err := receive(b.sock)
		if errors.Is(err, io.EOF) {
			return b.ended()
		}
		if err != nil {
			return fmt.Errorf("listen to the child: %w", err)
		}
		if done, err := b.hear(p); done || err != nil {
			return err
		}
	}
}

// forks says whether the plan makes the real child by itself.
func (b *birth) forks() bool {
	for _, s := range b.Plan.Steps {
		if s.Op == plan.Note && s.Text == plan.NoteBorn {
			return true
		}
	}
	return false
}

// hear answers one message. It may not be the child's: a payload that may trace can take
// the socket of a child that has come into its sight. So it counts only for what the plan
// has at that place, and is shown in the plan's words.
func (b *birth) hear(p packet) (done bool, err error) {
	if p.step >= len(b.Plan.Steps) {
		return false, errForeign
	}
	step := b.Plan.Steps[p.step]
	name := step.Text
	switch {
	case p.kind == packetFail:
		return false, &Error{Step: p.step, Act: step.Act, What: step.What, Call: step.Name, Errno: p.errno}
	case p.kind == packetFile:
		return false, p.take(b.file())
	case p.kind == packetNote && step.Op == plan.Note:
		return false, b.note(name, p.pid)
	case p.kind != packetGate || step.Op != plan.Gate:
		return false, errForeign
	}
	switch {
	case name == plan.GateMapped:
		err = b.mapped()
	case b.Gate != nil:
		err = b.Gate(b.child, name)
	}
	if err != nil {
		return false, err
	}
	_, err = unix.Write(b.sock, []byte{1})
	if errors.Is(err, unix.EPIPE) {
		return false, nil // it died at the gate; what it said before, or its end, tells why
	}
	if err != nil {
		return false, fmt.Errorf("answer the child at gate %q: %w", name, err)
	}
	return name == b.Until, nil
}

func (b *birth) file() func(*os.File) error {
	if b.File == nil {
		return nil
	}
	return func(f *os.File) error { return b.File(b.child, f) }
}

// errForeign ends a start, and the child with it.
var errForeign = errors.New("the new process says what is not in its plan: something else has its socket")

func (b *birth) note(name string, pid int) error {
	switch {
	case name == plan.NoteBorn && b.child.PidFD == nil, name == plan.NoteInit && b.child.Payload != b.child.Pid:
		return errForeign // it has been born
	case name == plan.NoteBorn:
		b.child.PidFD.Close()
		b.child = &Child{Pid: pid, Payload: pid}
		return b.born(pid)
	case name == plan.NoteInit:
		b.child.Payload = pid
	case name == plan.NoteExec:
		b.execing = true
	case b.Note != nil:
		b.Note(name)
	}
	return nil
}

// born starts the id map helpers at once: they run beside the child's first
// steps and are waited for at its gate.
func (b *birth) born(pid int) error {
	if !b.IDs.IsIdentity() {
		b.install = b.Maps.Start(proc.Number(pid), b.IDs, b.Caller)
	}
	if b.Born != nil {
		return b.Born(pid)
	}
	return nil
}

func (b *birth) mapped() error {
	if b.install == nil {
		return nil
	}
	install := b.install
	b.install = nil
	err := install.Wait(b.Signals)
	var interrupted *interrupt.Error
	if errors.As(err, &interrupted) {
		b.install = install
		return err
	}
	if err != nil {
		return &MapError{err}
	}
	return nil
}

// ended is the end of the child's side of the socket: it has become its
// payload, or it died without a word.
func (b *birth) ended() error {
	if b.execing {
		return nil
	}
	var status unix.WaitStatus
	if _, err := wait4(b.child.Pid, &status); err != nil {
		return fmt.Errorf("the new process vanished: %w", err)
	}
	if b.first == b.child.Pid {
		b.first = -1
	}
	b.child.Pid = -1
	if status.Signaled() {
		return &killedError{status.Signal()}
	}
	return fmt.Errorf("the new process ended with status %d before it could start", status.ExitStatus())
}

// abort kills and waits for whatever exists. The child is our own and not yet
// waited for, so its pid is still its own.
func (b *birth) abort() {
	if b.install != nil {
		b.install.Kill() // the first error is already on its way
	}
	pids := []int{b.first}
	if b.child.Pid != b.first {
		pids = append(pids, b.child.Pid)
	} else if b.brother != 0 {
		pids = append(pids, b.brother)
	}
	for _, pid := range pids {
		if pid > 0 && unix.Kill(pid, unix.SIGKILL) == nil {
			_, _ = wait4(pid, nil)
		}
	}
	if b.child.PidFD != nil {
		b.child.PidFD.Close()
	}
}

// reapFirst waits for a first process that only made its brother.
func (b *birth) reapFirst() {
	if b.first != b.child.Pid {
		_, _ = wait4(b.first, nil)
	}
}

// Wait waits for the end of the child.
func (c *Child) Wait() (unix.WaitStatus, error) {
	var status unix.WaitStatus
	_, err := wait4(c.Pid, &status)
	return status, err
}

func wait4(pid int, status *unix.WaitStatus) (int, error) {
	for {
		n, err := unix.Wait4(pid, status, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
