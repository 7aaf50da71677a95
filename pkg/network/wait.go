package network

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/interrupt"
	"sandbox/pkg/slirp"
)

// patience is more than the helper takes until it gives up by itself.
const patience = 45 * time.Second

// Wait returns when the network works, or a signal has come.
func (w *Network) Wait(signals *interrupt.Signals) error {
	if !w.Needed() {
		return nil
	}
	told, err := interrupt.Receive(signals, w.failed)
	if err != nil {
		return fmt.Errorf("network: not ready yet: %w", err)
	}
	w.failed <- told
	said, err := []byte(nil), told
	if told == nil {
		said, err = w.listen(signals)
	}
	switch {
	case err != nil:
	case len(said) == 0:
		err = errors.New("its helper has ended")
	case string(said) != slirp.Ready:
		err = errors.New(string(said))
	}
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	w.watch()
	return nil
}

// listen reads what the helper says at its start.
func (w *Network) listen(signals *interrupt.Signals) ([]byte, error) {
	type word struct {
		said []byte
		err  error
	}
	_ = w.ready.SetReadDeadline(time.Now().Add(patience))
	end := make(chan word, 1)
	go func() {
		said, err := io.ReadAll(io.LimitReader(w.ready, 64<<10))
		end <- word{said, err}
	}()
	got, err := interrupt.Receive(signals, end)
	switch {
	case err != nil:
		return nil, fmt.Errorf("not ready yet: %w", err)
	case errors.Is(got.err, os.ErrDeadlineExceeded):
		return got.said, fmt.Errorf("not ready within %s", patience)
	}
	return got.said, got.err
}

// watch tells a foreground run when the helper ends before the container: then
// there is nobody else who could.
func (w *Network) watch() {
	if w.warn == nil {
		return
	}
	helper, err := unix.PidfdOpen(w.helper.Process.Pid, 0)
	if err != nil {
		return
	}
	init, err := unix.FcntlInt(w.init.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		unix.Close(helper)
		return
	}
	go func() {
		defer unix.Close(helper)
		defer unix.Close(init)
		watch := []unix.PollFd{{Fd: int32(helper), Events: unix.POLLIN}, {Fd: int32(init), Events: unix.POLLIN}}
		for {
			_, err := unix.Poll(watch, -1)
			if err != nil && !errors.Is(err, unix.EINTR) || watch[1].Revents != 0 {
				return
			}
			if watch[0].Revents != 0 {
				w.warn(helperGone)
				return
			}
		}
	}()
}

// helperGone is what its end means; it ends by itself only after the container.
const helperGone = "network: its helper has been killed: the container has no way out any more, and its ports are published no more; delete it and run it again"
