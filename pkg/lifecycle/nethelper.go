package lifecycle

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/helper"
	"sandbox/pkg/proc"
	"sandbox/pkg/slirp"
	"sandbox/pkg/state"
)

// startNetwork starts the helper, beside the child.
func (b *birth) startNetwork() {
	w := b.network
	w.failed = make(chan error, 1)
	w.job.Init = b.pid
	root, uid := b.world.IDs.HostUID(0)
	_, gid := b.world.IDs.HostGID(0)
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
	carrier := user
	if w.job.Own {
		carrier = w.carrier.File
	}
	c := exec.Command("/proc/self/exe", NetworkArg)
	c.Args[0] = "sandbox"
	// In the order of slirp.FdJob and what follows it.
	c.ExtraFiles = append([]*os.File{job, readyW, w.init, w.net, user, w.dir, carrier}, w.held...)
	c.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	// What the caller's environment has is none of these programs' business.
	c.Env = []string{helper.Path}
	// Where it tells of a carrier that has died.
	c.Stderr = os.Stderr
	if w.job.Log {
		fd, err := unix.Openat(int(w.dir.Fd()), networkLog, unix.O_CREAT|unix.O_EXCL|unix.O_APPEND|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		log := os.NewFile(uintptr(fd), networkLog)
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

// close closes what the start needed; abort also ends the helper.
func (w *network) close() {
	if w == nil {
		return
	}
	for _, f := range append(w.held, w.net, w.user, w.ready, w.init, w.dir) {
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

func (w *network) recorded() *state.Helper {
	if !w.needed() || w.helper == nil {
		return nil
	}
	s, err := proc.Look(w.helper.Process.Pid)
	if err != nil {
		return nil
	}
	return &state.Helper{Pid: w.helper.Process.Pid, Begin: s.Begin}
}

// endNetwork waits until the ports of a container that has ended are free. Its
// helper ends by itself; one that hangs is killed.
func endNetwork(r *state.Record, d *state.Dir) {
	h := r.Helper
	if h == nil || r.Boot != proc.Boot() {
		return
	}
	fd, err := unix.PidfdOpen(h.Pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if s, err := proc.Look(h.Pid); err != nil || s.Begin != h.Begin {
		return
	}
	for end := time.Now().Add(2 * time.Second); !slirp.Closed(d.Inside(state.NetworkDir)); {
		if proc.Ends(fd, time.Millisecond) {
			break
		}
		if time.Now().After(end) {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
			proc.Ends(fd, 2*time.Second)
			break
		}
	}
	_, _ = unix.Wait4(h.Pid, nil, unix.WNOHANG, nil) // where it is our child
}
