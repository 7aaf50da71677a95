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

// Begin starts the helper. It gets ready while the container is made, and hears from Start what it is to do. That of a
// detached container writes a log. Where few files can be open it is left to Settle.
func (w *Network) Begin(attached bool) {
	if !w.Needed() {
		return
	}
	w.job.Log = !attached
	w.begun = make(chan error, 1)
	if w.late = proc.FewFiles(); !w.late {
		go func() { w.begun <- w.begin() }()
	}
}

// Settle returns when there is a helper. It comes before the container's first process is made: that, or who makes it, has a
// copy of every descriptor for a while, and the ends of pipes that a fork of ours leaves open meanwhile would stay so.
func (w *Network) Settle() error {
	if !w.Needed() {
		return nil
	}
	if w.late {
		w.late = false
		w.begun <- w.begin()
	}
	err := <-w.begun
	w.begun <- err
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	return nil
}

func (w *Network) begin() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	theirs := os.NewFile(uintptr(pair[1]), "job")
	defer theirs.Close()
	w.door = os.NewFile(uintptr(pair[0]), "job")
	var readyW *os.File
	if w.ready, readyW, err = os.Pipe(); err != nil {
		return err
	}
	defer readyW.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	carrier := null
	if w.job.Own {
		carrier = w.carrier.File
	}
	c := exec.Command("/proc/self/exe", Arg)
	c.Args[0] = "sandbox"
	// In the order of slirp.FdJob and what follows it; what is not there yet keeps its place.
	c.ExtraFiles = append([]*os.File{theirs, readyW, null, null, null, w.Dir, null, carrier}, w.held...)
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
		return fmt.Errorf("start the network's helper: %w", err)
	}
	w.helper = c
	return nil
}

// Start has the helper make the network, beside the child, which is the process init. rootID says that the helper's programs
// become root of the container's user namespace; an attached one tells through warn that it has died.
func (w *Network) Start(init int, rootID bool, warn func(string)) {
	w.failed = make(chan error, 1)
	w.job.Init, w.job.RootID = init, rootID
	if !w.job.Log {
		w.warn = warn
	}
	go func() { w.failed <- w.tell() }()
}

// MakesSocket says whether the carrier makes its API's socket in a directory of the caller's.
func (w *Network) MakesSocket() bool { return w.job.MakesSocket() }

// tell sends the job, with what it is about.
func (w *Network) tell() error {
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
	var rights []int
	for _, f := range []*os.File{job, w.init, w.net, w.user, w.routes} { // the order of slirp.ReadJob
		if f != nil {
			rights = append(rights, int(f.Fd()))
		}
	}
	if err := unix.Sendmsg(int(w.door.Fd()), []byte{0}, unix.UnixRights(rights...), nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("its helper does not hear: %w", err)
	}
	return nil
}

// Shown lets go of the directory that the files are in, where no helper is to have it.
func (w *Network) Shown() {
	if !w.Needed() && w.Dir != nil {
		w.Dir.Close()
		w.Dir = nil
	}
}

// Close closes what the start needed. A helper that has not been told anything ends.
func (w *Network) Close() {
	if w == nil {
		return
	}
	if w.failed == nil {
		w.Abort()
	}
	for _, f := range append(w.held, w.door, w.net, w.user, w.routes, w.ready, w.init, w.Dir) {
		if f != nil {
			f.Close()
		}
	}
}

// Abort ends the helper of a start that has failed.
func (w *Network) Abort() {
	if w == nil || w.begun == nil {
		return
	}
	if w.failed != nil {
		<-w.failed //nolint:errcheck // whatever it was, this is the end
	}
	if !w.late {
		<-w.begun //nolint:errcheck // as above
	}
	if w.helper != nil {
		_ = w.helper.Process.Kill()
		_ = w.helper.Wait()
	}
	w.begun = nil
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
	end, look := time.Now().Add(2*time.Second), 50*time.Microsecond
	for ; !slirp.Closed(d.Inside(state.NetworkDir)) && !proc.Ends(fd, look); look = min(2*look, 10*time.Millisecond) {
		if time.Now().After(end) {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
			proc.Ends(fd, 2*time.Second)
			break
		}
	}
	_, _ = unix.Wait4(h.Pid, nil, unix.WNOHANG, nil) // where it is our child
}
