package idmap

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"sandbox/pkg/helper"
	"sandbox/pkg/interrupt"
	"sandbox/pkg/printable"
)

// running is a running newuidmap or newgidmap. syscall and not os/exec: no
// goroutine, no poller and no probe for pidfds on the way of every start.
type running struct {
	path   string
	name   string // as it calls itself
	pid    int
	status syscall.WaitStatus
	waited bool // for, so that its number may be another's
	lost   bool
}

// startHelper gives the pipe as all three standard streams: a setuid program
// whose streams are closed opens /dev/null for each, and they are of no use to
// it. LC_ALL so that what it says can be read by programs.
func startHelper(program *helper.Program, argv []string, stderr int) (running, error) {
	w := uintptr(stderr)
	files := []uintptr{w, w, w}
	if program.File != nil {
		files = append(files, program.File.Fd())
	}
	pid, err := syscall.ForkExec(program.As(3), argv, &syscall.ProcAttr{
		Env:   []string{"LC_ALL=C", helper.Path},
		Files: files,
	})
	if err != nil {
		return running{}, fmt.Errorf("starting %s: %w", program.Path, err)
	}
	return running{path: program.Path, name: argv[0], pid: pid}, nil
}

// ends returns when the helper has ended, or a signal has come.
func (p *running) ends(s *interrupt.Signals) error {
	if s == nil || p.waited {
		return nil
	}
	fd, err := unix.PidfdOpen(p.pid, 0) // our child, not yet waited for
	if err != nil {
		return nil //nolint:nilerr // then the wait for it cannot be ended
	}
	defer unix.Close(fd)
	_, err = interrupt.Readable(s, fd, -1)
	return err
}

func (p *running) kill() {
	if !p.waited {
		_ = unix.Kill(p.pid, unix.SIGKILL)
	}
}

func (p *running) wait() error {
	if p.waited {
		return nil
	}
	p.waited = true
	for {
		_, err := syscall.Wait4(p.pid, &p.status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		p.lost = err != nil
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", p.path, err)
		}
		return nil
	}
}

func (p *running) verdict(said []byte) error {
	if p.lost || p.status.Exited() && p.status.ExitStatus() == 0 {
		return nil
	}
	return &HelperError{Path: p.path, Status: p.status, Stderr: p.own(said)}
}

// own picks the helper's lines from the pipe that both write to. They begin
// with its name; a loader's or a plug-in's message does not and is everybody's.
func (p *running) own(said []byte) string {
	var out []string
	for line := range bytes.Lines(said) {
		s := printable.Text(strings.TrimSpace(string(line)))
		other := strings.HasPrefix(s, "newuidmap:") || strings.HasPrefix(s, "newgidmap:")
		if s != "" && (!other || strings.HasPrefix(s, p.name+":")) {
			out = append(out, strings.TrimPrefix(s, p.name+": "))
		}
	}
	return strings.Join(out, "; ")
}

// HelperError is a helper that did not do its work. Stderr is what it said, on
// one line and without its name.
type HelperError struct {
	Path   string
	Status syscall.WaitStatus
	Stderr string
}

func (e *HelperError) Error() string {
	end := fmt.Sprintf("exit status %d", e.Status.ExitStatus())
	if e.Status.Signaled() {
		end = "killed by " + e.Status.Signal().String()
	}
	if e.Stderr == "" {
		return fmt.Sprintf("%s: %s", e.Path, end)
	}
	return fmt.Sprintf("%s: %s (%s)", e.Path, e.Stderr, end)
}

// pipe is the helpers' shared stderr.
type pipe struct{ r, w int }

var noPipe = pipe{-1, -1}

// open makes it non-blocking on both ends: a helper that says more than the pipe
// holds loses the rest and cannot hang, and a process that it left behind with
// the pipe open cannot hold us up after the helper is done.
func (p *pipe) open() error {
	if p.w >= 0 {
		return nil
	}
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return err
	}
	*p = pipe{fds[0], fds[1]}
	return nil
}

func (p *pipe) closeWrite() {
	if p.w >= 0 {
		syscall.Close(p.w)
		p.w = -1
	}
}

// drain takes what is there, up to 4 KiB, and closes the pipe.
func (p *pipe) drain() []byte {
	if p.r < 0 {
		return nil
	}
	defer func() { syscall.Close(p.r); p.r = -1 }()
	b := make([]byte, 4096)
	n := 0
	for n < len(b) {
		m, err := syscall.Read(p.r, b[n:])
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || m == 0 {
			break
		}
		n += m
	}
	return b[:n]
}
