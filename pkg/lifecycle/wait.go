package lifecycle

import (
	"encoding/binary"
	"io"

	"golang.org/x/sys/unix"
)

// Wait waits for the end of a container that this process started in the
// foreground and returns the payload's exit status, 128+n for signal n.
func (c *Container) Wait() (int, error) {
	told, heard := c.hear()
	end, err := c.child.Wait()
	c.oom.ended()
	if err != nil {
		return 0, err
	}
	if heard {
		return exitStatus(told), nil
	}
	return exitStatus(end), nil // without an init; or it was killed, and the payload with it
}

// hear waits for what init tells: how the payload has ended, and before that each time that it was stopped.
func (c *Container) hear() (told unix.WaitStatus, heard bool) {
	if c.status == nil {
		return 0, false
	}
	defer c.status.Close()
	for {
		var word [4]byte
		if _, err := io.ReadFull(c.status, word[:]); err != nil {
			return 0, false
		}
		told = unix.WaitStatus(binary.NativeEndian.Uint32(word[:]))
		if !told.Stopped() {
			return told, true
		}
		c.stopped()
	}
}

func exitStatus(s unix.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}
