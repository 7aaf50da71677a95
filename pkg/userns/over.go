package userns

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ErrOver is a child that has nothing to become a part of any more. It may never get to its program, nor to its end: it is
// frozen with the group that it was born in, say, which nobody will thaw for it.
var ErrOver = errors.New("what the new process was to be a part of has ended")

// askEvery is how often Over is asked.
const askEvery = 100 * time.Millisecond

// accompanied returns when the child has something to say.
func (b *birth) accompanied() error {
	for b.Over != nil {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(b.sock), Events: unix.POLLIN}}, int(askEvery.Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait for the child: %w", err)
		case n > 0:
			return nil
		case b.Over():
			return ErrOver
		}
	}
	return nil
}
