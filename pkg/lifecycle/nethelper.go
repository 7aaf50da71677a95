package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/slirp"
)

// startNetwork starts the helper, beside the child.
func (b *birth) startNetwork() {
	w := b.network
	w.failed = make(chan error, 1)
	w.job.Init = b.pid
	root, uid := b.ids.HostUID(0)
	_, gid := b.ids.HostGID(0)
	// The API's socket is made in a directory of the caller's.
	w.job.RootID = uid && gid && (w.job.Handler != slirp.Own || root == b.program.run.Caller.UID)
	w.job.Log = !b.Attached
	if b.Attached {
		w.warn = b.program.run.Warn
	}
	go func() { w.failed <- w.run() }()
}

func (w *network) run() error {
	text, err := json.Marshal(&w.job)
	if err != nil {
		return err
	}
	job, err := memfile("job", text)
	if err != nil {
		return err
	}
	defer job.Close()
	fd, err := unix.PidfdOpen(w.job.Init, 0)
	if err != nil {
		return err
	}
	w.init = os.NewFile(uintptr(fd), "pidfd")
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return err
	}
	defer readyW.Close()
	user := w.user
	if user == nil {
		if user, err = os.Open(os.DevNull); err != nil {
			return err
		}
		defer user.Close()
	}
	c := exec.Command("/proc/self/exe", NetworkArg)
	c.Args[0] = "sandbox"
	// In the order of slirp.FdJob and what follows it.
	c.ExtraFiles = append([]*os.File{job, readyW, w.init, w.net, user}, w.held...)
	c.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	// What the caller's environment has is none of these programs' business.
	c.Env = []string{"PATH=" + os.Getenv("PATH")}
	// Where it tells of a carrier that has died.
	c.Stderr = os.Stderr
	if w.job.Log {
		log, err := os.OpenFile(filepath.Join(w.dir, networkLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer log.Close()
		c.Stderr = log
	}
	if err := c.Start(); err != nil {
		readyR.Close()
		return fmt.Errorf("start the network's helper: %w", err)
	}
	w.helper, w.ready = c, readyR
	return nil
}

// networkPatience is more than the helper takes until it gives up by itself.
const networkPatience = 45 * time.Second

// wait returns when the network works. A signal that would be the payload's ends the
// start, for there may never be one.
func (w *network) wait() error {
	if !w.needed() {
		return nil
	}
	err := <-w.failed
	w.failed <- err
	if err != nil {
		return err
	}
	said, err := w.listen()
	if err == nil && len(said) > 0 {
		err = errors.New(string(said))
	}
	if err == nil && !alive(w.helper.Process.Pid) {
		err = errors.New("its helper has ended")
	}
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	w.watch()
	return nil
}

// listen reads what the helper says at its start.
func (w *network) listen() ([]byte, error) {
	type word struct {
		said []byte
		err  error
	}
	_ = w.ready.SetReadDeadline(time.Now().Add(networkPatience))
	end := make(chan word, 1)
	go func() {
		said, err := io.ReadAll(io.LimitReader(w.ready, 64<<10))
		end <- word{said, err}
	}()
	signals := make(chan os.Signal, 1)
	if w.warn != nil { // else they have their usual effect
		signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
		defer signal.Stop(signals)
	}
	select {
	case got := <-end:
		if errors.Is(got.err, os.ErrDeadlineExceeded) {
			got.err = fmt.Errorf("not ready within %s", networkPatience)
		}
		return got.said, got.err
	case s := <-signals:
		return nil, fmt.Errorf("not ready yet, and %s ended the wait for it", unix.SignalName(s.(unix.Signal)))
	}
}

// watch tells a foreground run when the helper ends before the container: then
// there is nobody else who could.
func (w *network) watch() {
	if w.warn == nil {
		return
	}
	helper, err := unix.PidfdOpen(w.helper.Process.Pid, 0)
	if err != nil {
		return
	}
	init, err := unix.FcntlInt(w.init.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		unix.Close(helper)
		return
	}
	go func() {
		defer unix.Close(helper)
		defer unix.Close(init)
		watch := []unix.PollFd{{Fd: int32(helper), Events: unix.POLLIN}, {Fd: int32(init), Events: unix.POLLIN}}
		for {
			_, err := unix.Poll(watch, -1)
			if err != nil && !errors.Is(err, unix.EINTR) || watch[1].Revents != 0 {
				return
			}
			if watch[0].Revents != 0 {
				w.warn(helperGone)
				return
			}
		}
	}()
}

// helperGone is what its end means; it ends by itself only after the container.
const helperGone = "network: its helper has been killed: the container has no way out any more, and its ports are published no more; delete it and run it again"

func alive(pid int) bool {
	s, err := statOf(pid)
	return err == nil && s.state != 'Z' && s.state != 'X'
}

// close closes what the start needed; abort also ends the helper.
func (w *network) close() {
	if w == nil {
		return
	}
	for _, f := range append(w.held, w.net, w.user, w.ready, w.init) {
		if f != nil {
			f.Close()
		}
	}
}

func (w *network) abort() {
	if !w.needed() || w.failed == nil {
		return
	}
	if <-w.failed == nil {
		_ = w.helper.Process.Kill()
		_ = w.helper.Wait()
	}
}

// Helper is a process that holds a container's network.
type Helper struct {
	Pid   int    `json:"pid"`
	Begin uint64 `json:"begin"` // as Record.Begin
}

func (w *network) recorded() *Helper {
	if !w.needed() || w.helper == nil {
		return nil
	}
	s, err := statOf(w.helper.Process.Pid)
	if err != nil {
		return nil
	}
	return &Helper{w.helper.Process.Pid, s.begin}
}

// endNetwork waits until the ports of a container that has ended are free. Its
// helper ends by itself; one that hangs is killed.
func (r *Record) endNetwork(dir string) {
	h := r.Helper
	if h == nil || r.Boot != bootID() {
		return
	}
	fd, err := unix.PidfdOpen(h.Pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if s, err := statOf(h.Pid); err != nil || s.begin != h.Begin {
		return
	}
	for end := time.Now().Add(2 * time.Second); !slirp.Closed(dir); {
		if pidfdEnds(fd, time.Millisecond) {
			break
		}
		if time.Now().After(end) {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
			pidfdEnds(fd, 2*time.Second)
			break
		}
	}
	_, _ = unix.Wait4(h.Pid, nil, unix.WNOHANG, nil) // where it is our child
}

// pidfdEnds waits at most so long for a process to end.
func pidfdEnds(fd int, most time.Duration) bool {
	for end := time.Now().Add(most); ; {
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}
