package lifecycle

import (
	"encoding/binary"
	"io"

	"golang.org/x/sys/unix"
)

// Wait waits for the end of a container that this process started in the
// foreground and returns the payload's exit status, 128+n for signal n.
func (c *Container) Wait() (int, error) {
	end, err := c.child.Wait()
	c.oom.ended()
	if err != nil {
		return 0, err
	}
	if c.status == nil {
		return exitStatus(end), nil
	}
	defer c.status.Close()
	var told [4]byte
	if _, err := io.ReadFull(c.status, told[:]); err != nil {
		return exitStatus(end), nil // init was killed, and the payload with it
	}
	return exitStatus(unix.WaitStatus(binary.NativeEndian.Uint32(told[:]))), nil
}

func exitStatus(s unix.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}
