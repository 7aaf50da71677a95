package console

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds what should be immediate: it only turns a hang into a failure.
const patience = 20 * time.Second

// newPTY opens a pty as the plan's steps do: the master, and the slave by the number the master says.
func newPTY(t *testing.T) (master *os.File, slave func() *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "ptmx"), func() *os.File {
		t.Helper()
		// O_NONBLOCK on both ends of the tests' own side gives their reads and writes deadlines.
		s, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		must(t, s.SetDeadline(time.Now().Add(patience)))
		return s
	}
}

// rawSlave makes the payload's side pass bytes through unchanged, for tests that compare them.
func rawSlave(t *testing.T, slave *os.File) {
	t.Helper()
	if _, err := rawMode(slave, false); err != nil {
		t.Fatal(err)
	}
}

// newPipe is closed by the test, so that its ends do not count as leaks.
func newPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// noLeaks fails the test when it ends with more descriptors or goroutines than it began with.
func noLeaks(t *testing.T) {
	t.Helper()
	c := make(chan os.Signal, 1)
	signal.Notify(c, unix.SIGWINCH) // os/signal keeps its goroutine once it has one
	signal.Stop(c)
	p, q := newPipe(t) // and the runtime its poller
	p.Close()
	q.Close()
	fds, routines := openFDs(t), runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(patience)
		for time.Now().Before(deadline) {
			if len(openFDs(t)) <= len(fds) && runtime.NumGoroutine() <= routines {
				return
			}
			time.Sleep(time.Millisecond) // goroutines end a moment after what they signal
		}
		stacks := make([]byte, 1<<16)
		t.Errorf("leak: %v, before %v; %d goroutines, before %d\n%s", openFDs(t), fds,
			runtime.NumGoroutine(), routines, stacks[:runtime.Stack(stacks, true)])
	})
}

func openFDs(t *testing.T) (fds []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, e := range entries {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name()) // the directory's own descriptor is gone by now
		fds = append(fds, e.Name()+"="+to)
	}
	return fds
}

// collector reads a file to its end in the background.
type collector struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	done chan struct{}
}

func collect(r *os.File) *collector {
	c := &collector{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		defer r.Close()
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(buf)
			c.mu.Lock()
			c.buf.Write(buf[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return c
}

func (c *collector) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

// until waits for a condition that another goroutine or the kernel brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// within fails when f hangs.
func within[T any](t *testing.T, what string, f func() T) T {
	t.Helper()
	result := make(chan T, 1)
	go func() { result <- f() }()
	select {
	case v := <-result:
		return v
	case <-time.After(patience):
		stacks := make([]byte, 1<<16)
		t.Fatalf("%s hangs\n%s", what, stacks[:runtime.Stack(stacks, true)])
		panic("unreachable")
	}
}
