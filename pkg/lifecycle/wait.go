package lifecycle

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
)

// Wait waits for the end of a container that this process started in the
// foreground and returns the payload's exit status, 128+n for signal n.
func (c *Container) Wait() (int, error) {
	var told *unix.WaitStatus
	if c.status != nil {
		told = c.told()
		c.status.Close()
		// It has nothing left to do, and it may be kept from ending.
		_ = unix.Kill(c.child.Pid, unix.SIGKILL) // our child, not yet waited for
	} else if fd, err := unix.PidfdOpen(c.child.Pid, 0); err == nil {
		c.poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}})
		unix.Close(fd)
	} else if c.unhurried != nil {
		c.unhurried()
	}
	end, err := c.child.Wait()
	c.oom.ended()
	if err != nil {
		return 0, err
	}
	if told != nil {
		end = *told
	}
	return exitStatus(end), nil // without an init; or it was killed, and the payload with it
}

// initPatience is how long an init may take to say that the payload has ended.
const initPatience = time.Second

// told returns what init says of the payload's end; nil when init was killed, and the payload with it. Before that it says
// each time that the payload was stopped. An init that is frozen says nothing: then the payload is looked at, which is still
// there, for nobody else can wait for it.
func (c *Container) told() *unix.WaitStatus {
	either := []unix.PollFd{{Fd: int32(c.status.Fd()), Events: unix.POLLIN}}
	payload, err := c.Payload().Open()
	if err == nil {
		defer payload.Close()
		either = append(either, unix.PollFd{Fd: int32(payload.Fd()), Events: unix.POLLIN})
	}
	gone := errors.Is(err, unix.ESRCH)
	for {
		if !gone {
			c.poll(either)
		}
		end := c.said()
		if end == nil || !end.Stopped() {
			return end
		}
		c.stopped()
	}
}

// said is what init says next, or what is seen of the payload where init says nothing.
func (c *Container) said() *unix.WaitStatus {
	for range 10 { // it may have been waited for just before, or be hidden from us
		if proc.Ends(int(c.status.Fd()), initPatience/10) {
			return c.heard()
		}
		if s, err := proc.Look(c.Pid); err == nil && s.Begin == c.Begin && s.Ended() {
			end := unix.WaitStatus(s.Exit)
			return &end
		}
	}
	return nil
}

// heard reads init's word.
func (c *Container) heard() *unix.WaitStatus {
	var word [4]byte
	if _, err := io.ReadFull(c.status, word[:]); err != nil {
		return nil
	}
	end := unix.WaitStatus(binary.NativeEndian.Uint32(word[:]))
	return &end
}

// poll waits until one of them is ready.
func (c *Container) poll(fds []unix.PollFd) {
	most := -1
	if c.unhurried != nil {
		most = 20
	}
	for {
		n, err := unix.Poll(fds, most)
		if n == 0 && err == nil {
			c.unhurried()
			c.unhurried, most = nil, -1
		} else if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func exitStatus(s unix.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}
