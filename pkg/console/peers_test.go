package console

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// idlers connect and say nothing.
func (rt *receiver) idlers(t *testing.T, n int) []*os.File {
	t.Helper()
	var all []*os.File
	for range n {
		sock, err := Dial(rt.path)
		must(t, err)
		t.Cleanup(func() { sock.Close() })
		all = append(all, sock)
	}
	return all
}

// hungUp says whether the other side has closed.
func hungUp(t *testing.T, sock *os.File) (yes bool) {
	t.Helper()
	must(t, control(sock, func(fd int) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		_, err := unix.Poll(fds, 0)
		yes = err == nil && fds[0].Revents&unix.POLLHUP != 0
	}))
	return yes
}

// read shows that somebody reads what a console prints: more than a pty holds goes through.
func read(t *testing.T, slave *os.File) {
	t.Helper()
	must(t, within(t, "a write of more than a pty holds", func() error {
		_, err := slave.Write(make([]byte, 1<<17))
		return err
	}))
}

func TestIdlePeers(t *testing.T) {
	noLeaks(t)
	rt := startReceiver(t, Receiver{Mode: Null})
	idle := rt.idlers(t, 3)
	slave := rt.deliver(t)
	defer slave.Close()
	read(t, slave)
	if hungUp(t, idle[0]) {
		t.Error("a peer that may still send was sent away")
	}
	// More than are waited for: the oldest goes, and the next console is taken.
	rt.idlers(t, maxWaiting)
	until(t, "the end of the oldest", func() bool { return hungUp(t, idle[0]) })
	another := rt.deliver(t)
	defer another.Close()
	read(t, another)
	rt.cancel()
	must(t, rt.end(t))
}

func TestIdleSingle(t *testing.T) {
	noLeaks(t)
	r, w := newPipe(t)
	out := collect(r)
	rt := startReceiver(t, Receiver{Mode: Single, Out: w})
	idle := rt.idlers(t, 3)
	slave := rt.deliver(t)
	_, err := slave.WriteString("seen")
	must(t, err)
	until(t, "output", func() bool { return out.String() == "seen" })
	for i, sock := range idle {
		if !hungUp(t, sock) {
			t.Errorf("peer %d still waits for a receiver that has its console", i)
		}
	}
	slave.Close()
	must(t, rt.end(t))
	w.Close()
	<-out.done
}

func TestPatience(t *testing.T) {
	noLeaks(t)
	for _, mode := range []Mode{Single, Null} {
		rt := startReceiver(t, Receiver{Mode: mode, Patience: time.Millisecond})
		idle := rt.idlers(t, 1)[0]
		until(t, "the end of its patience", func() bool { return hungUp(t, idle) })
		rt.cancel()
		if err := rt.end(t); mode == Null {
			must(t, err)
		} else if !errors.Is(err, context.Canceled) {
			t.Errorf("a peer that said nothing ended the receiver: %v", err)
		}
	}
}

// A sender keeps the master it has sent and makes it blocking: a read of ours then waits where no deadline wakes it.
func TestBlockingSender(t *testing.T) {
	for _, mode := range []Mode{Single, Null} {
		r, w := newPipe(t)
		out := collect(r)
		rt := startReceiver(t, Receiver{Mode: mode, Out: w})
		sock, err := Dial(rt.path)
		must(t, err)
		master, open := newPTY(t)
		slave := open()
		send(t, sock, "/dev/ptmx", []*os.File{master})
		_, err = slave.WriteString("x")
		must(t, err)
		if mode == Single {
			until(t, "output", func() bool { return out.String() == "x" })
		} else {
			read(t, slave)
		}
		must(t, control(master, func(fd int) { must(t, unix.SetNonblock(fd, false)) }))
		_, err = slave.WriteString("y") // sends the reader into its next, which blocks
		must(t, err)
		if mode == Single {
			until(t, "output", func() bool { return out.String() == "xy" })
		} else {
			time.Sleep(20 * time.Millisecond)
		}
		rt.cancel()
		if err := rt.end(t); mode == Null {
			must(t, err)
		}
		slave.Close() // EIO, for the reader too
		master.Close()
		sock.Close()
		w.Close()
		<-out.done
	}
}
