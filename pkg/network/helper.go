package network

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
	"sandbox/pkg/world"
)

// Start starts the helper, beside the child, which is the process init. rootID says that the helper's programs become root
// of the container's user namespace; an attached one tells through warn that it has died, another one writes a log.
func (w *Network) Start(init int, rootID, attached bool, warn func(string)) {
	w.failed = make(chan error, 1)
	w.job.Init, w.job.RootID, w.job.Log = init, rootID, !attached
	if attached {
		w.warn = warn
	}
	go func() { w.failed <- w.run() }()
}

// MakesSocket says whether the carrier makes its API's socket in a directory of the caller's.
func (w *Network) MakesSocket() bool { return w.job.MakesSocket() }

func (w *Network) run() error {
	text, err := json.Marshal(&w.job)
	if err != nil {
		return err
	}
	job, err := world.Memfile("job", text)
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
	c := exec.Command("/proc/self/exe", Arg)
	c.Args[0] = "sandbox"
	// In the order of slirp.FdJob and what follows it.
	c.ExtraFiles = append([]*os.File{job, readyW, w.init, w.net, user, w.Dir, carrier}, w.held...)
	c.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	// What the caller's environment has is none of these programs' business.
	c.Env = []string{helper.Path}
	// Where it tells of a carrier that has died.
	c.Stderr = os.Stderr
	if w.job.Log {
		fd, err := unix.Openat(int(w.Dir.Fd()), networkLog, unix.O_CREAT|unix.O_EXCL|unix.O_APPEND|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
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

// Close closes what the start needed; Abort also ends the helper.
func (w *Network) Close() {
	if w == nil {
		return
	}
	for _, f := range append(w.held, w.net, w.user, w.ready, w.init, w.Dir) {
		if f != nil {
			f.Close()
		}
	}
}

// Abort ends the helper of a start that has failed.
func (w *Network) Abort() {
	if !w.Needed() || w.failed == nil {
		return
	}
	if <-w.failed == nil {
		_ = w.helper.Process.Kill()
		_ = w.helper.Wait()
	}
}

// Recorded is the helper, for the record.
func (w *Network) Recorded() *state.Helper {
	if !w.Needed() || w.helper == nil {
		return nil
	}
	s, err := proc.Look(w.helper.Process.Pid)
	if err != nil {
		return nil
	}
	return &state.Helper{Pid: w.helper.Process.Pid, Begin: s.Begin}
}

// End waits until the ports of a container that has ended are free. Its
// helper ends by itself; one that hangs is killed.
func End(r *state.Record, d *state.Dir) {
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
	for end := time.Now().Add(2 * time.Second); !slirp.Closed(d.Inside(state.NetworkDir)) && !proc.Ends(fd, time.Millisecond); {
		if time.Now().After(end) {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
			proc.Ends(fd, 2*time.Second)
			break
		}
	}
	_, _ = unix.Wait4(h.Pid, nil, unix.WNOHANG, nil) // where it is our child
}
