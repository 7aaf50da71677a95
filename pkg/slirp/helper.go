package slirp

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/printable"
)

// Job is what a helper is told; see ReadJob.
type Job struct {
	Config
	Ports  []Port `json:"ports,omitempty"`
	Init   int    `json:"init"`
	Userns bool   `json:"userns"`        // the container has a user namespace of its own
	RootID bool   `json:"root_id"`       // in which there is a root
	Log    bool   `json:"log,omitempty"` // standard error is a file that is read later

	Carrier string `json:"carrier,omitempty"` // path of the program that carries packets
	Own     bool   `json:"own,omitempty"`     // which could be made another's: FdCarrier is executed
}

// The descriptors of a helper, besides 0, 1 and 2.
const (
	FdJob     = 3 + iota // a socket: see ReadJob
	FdReady              // gets Ready or an error's text, and is closed
	FdInit               // pidfd: the container's first process
	FdNet                // its network namespace
	FdUser               // its user namespace; the null device without one
	FdDir                // the network's directory
	FdRoutes             // netlink(7) socket in its network namespace, where a carrier is kept from this host's loopback
	FdCarrier            // the carrier's program where Job.Own; the null device without one, as the one before
	FdPorts              // the first of the sockets that listen, where the handler is ours
)

// Ready is what a helper says when the network works.
const Ready = "ready"

// Helper is the process that holds a container's network.
type Helper struct {
	Job
	// Spawn starts a program that ends with this process. It is called on the
	// thread of OnMain.
	Spawn func(*Program) (Child, error)

	log  io.Writer
	said atomic.Pointer[string] // the last that was said, with its time

	mu       sync.Mutex
	running  *running // the carrier
	holder   *process // that pasta finds the namespaces by
	stopping bool
	lost     string // why there is no way out and no port any more
	driver   *driver
	ports    []Port
	ids      map[Port]int    // a port's id with slirp4netns
	guests   map[Port]string // where it leads inside, "" for the container's own address
	sought   map[Port]bool   // ports whose server is not there yet
	finding  bool            // findServers runs
}

// ReadJob waits for the parent's word. It comes with descriptors: a file with a Job as JSON, FdInit, FdNet, and FdUser and
// FdRoutes where the job has them. io.EOF: the parent has given up.
func ReadJob() (Job, error) {
	var j Job
	control := make([]byte, unix.CmsgSpace(8*4))
	n, oobn, flags, _, err := unix.Recvmsg(FdJob, make([]byte, 1), control, unix.MSG_CMSG_CLOEXEC)
	unix.Close(FdJob)
	switch {
	case err == nil && n == 0:
		err = io.EOF
	case err == nil && flags&unix.MSG_CTRUNC != 0:
		err = unix.EMFILE // unix(7)
	}
	if err != nil {
		return j, err
	}
	files, err := rights(control[:oobn])
	if err != nil {
		return j, err
	}
	job := os.NewFile(uintptr(files[0]), "job")
	defer job.Close()
	if err := json.NewDecoder(job).Decode(&j); err != nil {
		return j, err
	}
	return j, j.place(files[1:])
}

// place puts descriptors where they belong.
func (j *Job) place(files []int) error {
	places := []int{FdInit, FdNet}
	if j.Userns {
		places = append(places, FdUser)
	}
	if j.Shuts() {
		places = append(places, FdRoutes)
	}
	if len(files) != len(places) {
		return fmt.Errorf("%d descriptors came for %d places", len(files), len(places))
	}
	for i, at := range places {
		if err := unix.Dup3(files[i], at, unix.O_CLOEXEC); err != nil {
			return err
		}
		unix.Close(files[i])
	}
	return nil
}

// rights are the descriptors of a message, one at least.
func rights(control []byte) ([]int, error) {
	list, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, errors.New("no descriptors came")
	}
	return unix.ParseUnixRights(&list[0])
}

// Serve makes the network, says so to the parent, or why not, and holds it until
// the container has ended.
func (h *Helper) Serve() error {
	ready := os.NewFile(FdReady, "ready")
	h.ownDescriptors()
	// The cwd makes the sockets' names short, whatever --root is, and leads there from every mount namespace that is
	// made of this one.
	err := unix.Fchdir(FdDir)
	if err == nil {
		err = h.open()
	}
	if err != nil {
		fmt.Fprint(ready, err)
		ready.Close()
		h.stop()
		return nil
	}
	fmt.Fprint(ready, Ready)
	ready.Close()
	h.waitForEnd()
	h.stop()
	return nil
}

// ownDescriptors closes the descriptors that the caller of `sandbox` left open for its
// children. The helper lives as long as the container, and the reader of a pipe of the
// caller's would wait for its end until then. Descriptors that the Go runtime opened are
// close-on-exec; those that this process inherited are not.
func (h *Helper) ownDescriptors() {
	last := FdCarrier + len(h.Ports)
	list, _ := os.ReadDir("/proc/self/fd")
	for _, e := range list {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < FdReady {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		switch {
		case err != nil || flags&unix.FD_CLOEXEC != 0:
		case fd <= last:
			unix.CloseOnExec(fd)
		default:
			unix.Close(fd)
		}
	}
}

func (h *Helper) open() error {
	h.log, h.ids, h.guests, h.sought = os.Stderr, make(map[Port]int), make(map[Port]string), make(map[Port]bool)
	control, listening := (*net.UnixListener)(nil), make(chan error, 1)
	go func() { // beside the carrier's start, which takes longer
		var err error
		control, err = h.listen()
		listening <- err
	}()
	c, err := (*running)(nil), error(nil)
	if h.Carries() {
		c, err = h.carry()
	}
	if err = cmp.Or(err, <-listening); err != nil {
		return err
	}
	if c != nil {
		go h.keep(c)
	}
	for i, p := range h.Ports {
		if err := h.publish(p, h.held(i)); err != nil {
			return err
		}
	}
	go h.control(control)
	return nil
}

// held is the socket of a port, where we bound it ourselves.
func (h *Helper) held(i int) *os.File {
	if !h.handler().ours {
		return nil
	}
	return os.NewFile(uintptr(FdPorts+i), "port")
}

// say tells the caller, and keeps it for `sandbox port`.
func (h *Helper) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	dated := time.Now().Format(time.DateTime) + " " + line
	h.said.Store(&dated)
	if h.Log {
		line = dated
	}
	fmt.Fprintln(h.log, "sandbox: network: "+printable.Text(line))
}

// waitForEnd returns when the container's first process has ended.
func (h *Helper) waitForEnd() {
	poll := []unix.PollFd{{Fd: FdInit, Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(poll, -1)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// stop ends what the helper has started, which holds nothing that needs a
// goodbye. When the control socket is gone, all ports are free. The helper's own
// end would end the others too, but leave it to whoever inherits them to bury
// them; a tap device alone takes 20 ms to go.
func (h *Helper) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopping = true
	all := []*process{h.holder}
	if h.running != nil {
		all = append(all, h.running.process)
	}
	if h.driver != nil {
		all = append(all, h.driver.half())
	}
	for _, p := range all {
		p.kill()
	}
	if h.driver != nil {
		for _, p := range h.ports {
			h.driver.remove(p)
		}
	} else if h.running != nil && len(h.ports) > 0 {
		h.running.bury()
	}
	_ = os.Remove(controlSocket)
	for _, p := range all {
		p.bury()
	}
}
