package slirp

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Program is one of those that a helper starts.
type Program struct {
	Path   string   // "" is this program
	Own    *os.File // is executed instead of Path, where that could be made another's
	Hold   bool     // no program at all: a process that is there, and can be looked at
	Args   []string
	Env    []string
	Files  []*os.File // from 3 on
	Stderr *os.File   // also standard output; nil is nowhere
	User   bool       // in the container's user namespace, as its root
	Net    bool       // in its network namespace too
	Root   string     // a directory that is all it sees, relative to the helper's; "" for the host's tree
}

// Child is a program that was started. The pidfd means that one for good; its
// number may be another process's as soon as it has been waited for.
type Child struct {
	Pid   int
	PidFD *os.File
}

// process is a child that somebody waits for.
type process struct {
	Child
	began time.Time
	gone  chan struct{} // closed when it has been waited for, with
	how   error
}

func (h *Helper) start(p *Program) (*process, error) {
	var c Child
	err := onMain(func() (err error) { c, err = h.Spawn(p); return err })
	if err != nil {
		return nil, err
	}
	return watched(c), nil
}

func watched(c Child) *process {
	p := &process{Child: c, began: time.Now(), gone: make(chan struct{})}
	go func() {
		p.how = waitPid(c.Pid)
		close(p.gone)
	}()
	return p
}

func waitPid(pid int) (how error) {
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(pid, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if status.Signaled() {
			return fmt.Errorf("killed by %s", unix.SignalName(status.Signal()))
		}
		return fmt.Errorf("exit status %d", status.ExitStatus())
	}
}

// kill hits this process or nothing.
func (p *process) kill() {
	if p != nil {
		_ = unix.PidfdSendSignal(int(p.PidFD.Fd()), unix.SIGKILL, nil, 0)
	}
}

func (p *process) ended() bool {
	if p == nil {
		return true
	}
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// bury waits a moment for the end of a process that was killed.
func (p *process) bury() {
	if p == nil {
		return
	}
	select {
	case <-p.gone:
	case <-time.After(500 * time.Millisecond):
	}
}

// steady is how long a process has to live for its end to be a mishap.
const steady = time.Second

// retry says how long to wait before something is started again, and whether to:
// what never lives ends after some tries.
type retry struct{ short int }

func (r *retry) next(lived time.Duration) (pause time.Duration, ok bool) {
	if lived >= steady {
		r.short = 0
		return 0, true
	}
	r.short++
	return 50 * time.Millisecond << r.short, r.short <= 5
}
