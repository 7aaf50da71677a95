package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
	"sandbox/pkg/state"
)

// A container ends with its first process. That is an init where it has one, which ends when the payload has; but it is in
// the container's cgroup, which a payload may freeze. So whoever ends a container ends both.

// endPatience is how long killed processes may take to be gone.
const endPatience = 10 * time.Second

// mainstays are the processes without which there is no container.
func mainstays(r *state.Record) []proc.ID {
	if r.Init == 0 {
		return []proc.ID{r.Payload()}
	}
	return []proc.ID{r.Payload(), r.First()}
}

// kill kills them, and is ErrNotRunning when there are none.
func kill(r *state.Record) error {
	said := ErrNotRunning
	for _, id := range mainstays(r) {
		switch err := id.Signal(unix.SIGKILL); {
		case errors.Is(err, unix.ESRCH):
		case err != nil:
			return fmt.Errorf("kill the container: %w", err)
		default:
			said = nil
		}
	}
	return said
}

// end kills them and waits until they are dead, with that much patience.
func end(r *state.Record, patience time.Duration) error {
	var ending []*os.File
	defer func() {
		for _, f := range ending {
			f.Close()
		}
	}()
	for _, id := range mainstays(r) {
		f, err := id.Open()
		if err == nil {
			ending = append(ending, f)
			err = unix.PidfdSendSignal(int(f.Fd()), unix.SIGKILL, nil, 0)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("kill the container: %w", err)
		}
	}
	deadline := time.Now().Add(patience)
	for _, f := range ending {
		if !proc.Ends(int(f.Fd()), time.Until(deadline)) {
			return fmt.Errorf("process %d of the container does not end within %s after SIGKILL", r.Pid, patience)
		}
	}
	return nil
}
