package proc

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Signal sends a signal to the process, and is unix.ESRCH when it has ended.
func (id ID) Signal(sig unix.Signal) error {
	f, err := id.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.PidfdSendSignal(int(f.Fd()), sig, nil, 0)
}

// SignalEach sends a signal to every process that list lists, once. It goes through pidfds: a process may have ended since
// it was listed, and its number be somebody else's. So they are listed again when the pidfds are open, and those that still
// are there are the ones that are meant. One that is refused does not keep the signal from the others; its error is
// returned, the first of several.
func SignalEach(list func() ([]int, error), sig unix.Signal) error {
	pids, err := list()
	if err != nil {
		return err
	}
	var first error
	for few := range slices.Chunk(pids, 200) { // of which each has a descriptor
		if err := signalThese(few, list, sig); first == nil {
			first = err
		}
	}
	return first
}

func signalThese(pids []int, list func() ([]int, error), sig unix.Signal) error {
	fds := map[int]int{}
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	var first error
	note := func(pid int, err error) {
		if err != nil && !errors.Is(err, unix.ESRCH) && first == nil {
			first = fmt.Errorf("process %d: %w", pid, err)
		}
	}
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if note(pid, err); err == nil {
			fds[pid] = fd
		}
	}
	now, err := list()
	if err != nil {
		return err
	}
	for _, pid := range now {
		if fd, ok := fds[pid]; ok {
			note(pid, unix.PidfdSendSignal(fd, sig, nil, 0))
		}
	}
	return first
}
