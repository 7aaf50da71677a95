package slirp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/rootless-containers/rootlesskit/v2/pkg/port"
	"github.com/rootless-containers/rootlesskit/v2/pkg/port/builtin"
	"golang.org/x/sys/unix"
)

// driver is RootlessKit's builtin port driver. Its parent, which listens, is in
// this process; its child, which connects, is a process of ours inside.
type driver struct {
	port.ParentDriver
	child int
	quit  chan struct{}
}

// portsDir is where the two halves meet, and all that the inner one sees. It is
// below the network's directory, which has more in it.
const portsDir = "ports"

// The only argument of the processes inside: the driver's inner half, and one
// that does nothing.
const (
	PortsArg = "__ports"
	HoldArg  = "__hold"
)

func (h *Helper) newDriver() (*driver, error) {
	if err := os.Mkdir(portsDir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	parent, err := builtin.NewParentDriver(io.Discard, portsDir)
	if err != nil {
		return nil, err
	}
	d := &driver{ParentDriver: parent, quit: make(chan struct{})}
	d.child, err = h.child(&Program{Args: []string{"sandbox", PortsArg}, User: h.Userns, Net: true, Root: filepath.Join(h.Dir, portsDir)})
	if err != nil {
		return nil, fmt.Errorf("start the port driver inside: %w", err)
	}
	ready, failed := make(chan struct{}, 1), make(chan error, 1)
	go func() { failed <- d.RunParentDriver(ready, d.quit, nil) }()
	gone := make(chan error, 1)
	go func() { gone <- waitPid(d.child) }()
	select {
	case <-ready:
		go func() {
			if how := <-gone; !h.ending() {
				fmt.Fprintf(h.log, "sandbox: the port driver's half inside has ended (%v): published ports answer no more\n", how)
			}
		}()
		return d, nil
	case err := <-failed:
		return nil, fmt.Errorf("start the port driver: %w", err)
	case err := <-gone:
		return nil, fmt.Errorf("the port driver's inner half has ended: %w", err)
	}
}

func waitPid(pid int) error {
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

func (d *driver) add(p Port, inside netip.Addr) (int, error) {
	s := port.Spec{Proto: p.network(), ParentIP: p.HostIP, ParentPort: p.Host, ChildPort: p.Container}
	if inside.IsValid() {
		s.ChildIP = inside.String()
	}
	st, err := d.AddPort(context.Background(), s)
	if err != nil {
		return 0, p.refused(err)
	}
	return st.ID, nil
}

// ServePorts is the inner half; it returns only with an error.
func ServePorts() error {
	return builtin.NewChildDriver(io.Discard).RunChildDriver(map[string]string{
		"builtin.socketpath": "/.bp.sock", "builtin.readypipepath": "/.bp-ready.pipe",
	}, make(chan struct{}), "")
}

// main runs functions on the process's first thread: a child's PDEATHSIG is sent
// when the thread ends that made it, and that one never does (prctl(2)).
var mainThread = make(chan func())

// OnMain runs what the helper has to do on the first thread, until done. The
// caller is the main goroutine, locked since its init.
func (h *Helper) OnMain(serve func() error) error {
	runtime.LockOSThread()
	done := make(chan error, 1)
	go func() { done <- serve() }()
	for {
		select {
		case f := <-mainThread:
			f()
		case err := <-done:
			return err
		}
	}
}

func onMain(f func() error) error {
	result := make(chan error, 1)
	mainThread <- func() { result <- f() }
	return <-result
}

// portOf reads "8080" or "8080/udp".
func portOf(text string) (int, string, error) {
	list, err := parsePorts(text)
	if err != nil || len(list) != 1 {
		return 0, "", fmt.Errorf("port %s: want a host port, such as 8080 or 8080/udp", strconv.Quote(text))
	}
	return list[0].Container, list[0].Proto, nil
}
