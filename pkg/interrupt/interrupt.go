package interrupt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// endings are what people and service managers end a program with. Others that would end us (SIGUSR1 and the like) mean
// something to the payload alone, and are kept for it. One that was ignored when we were started (a job in the background,
// nohup) ends nothing: later nobody can tell, for whoever collects signals takes all. Of SIGQUIT the Go runtime never
// can; a shell's job in the background ignores it together with SIGINT.
var endings = func() []unix.Signal {
	list := []unix.Signal{unix.SIGTERM}
	if !signal.Ignored(unix.SIGHUP) {
		list = append(list, unix.SIGHUP)
	}
	if !signal.Ignored(unix.SIGINT) {
		list = append(list, unix.SIGINT, unix.SIGQUIT)
	}
	return list
}()

// Ends says whether a signal ends a wait.
func Ends(s unix.Signal) bool { return slices.Contains(endings, s) }

// Error is a wait that a signal has ended.
type Error struct{ Signal unix.Signal }

func (e *Error) Error() string { return "interrupted by " + unix.SignalName(e.Signal) }

// Signals are those that have reached this process. They are kept until somebody passes them on; one that ends a wait is
// had by the first that waits. nil has none: signals have their usual effect, and no wait ends before its time.
type Signals struct {
	came chan os.Signal

	mu    sync.Mutex
	kept  []unix.Signal
	to    func(unix.Signal) // who gets them as they come; nil: they are kept
	alarm chan struct{}     // has a token while one that ends a wait is kept,
	event int               // and this eventfd is readable
}

// Catch begins to collect those that end a wait and those of more. Each costs the Go runtime a round between two threads,
// 0.3 ms in all: they are asked for beside what the caller does.
func Catch(more ...os.Signal) (*Signals, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make an eventfd: %w", err)
	}
	s := &Signals{came: make(chan os.Signal, 64), alarm: make(chan struct{}, 1), event: fd}
	go func() {
		for _, end := range endings { // of none, Notify would take all there are
			signal.Notify(s.came, end)
		}
		s.Add(more...)
		for got := range s.came {
			s.put(got.(unix.Signal))
		}
	}()
	return s, nil
}

// Add collects more.
func (s *Signals) Add(more ...os.Signal) {
	if s != nil && len(more) > 0 {
		signal.Notify(s.came, more...)
	}
}

func (s *Signals) put(sig unix.Signal) {
	s.mu.Lock()
	to := s.to
	if to == nil {
		s.kept = append(s.kept, sig)
		s.raise()
	}
	s.mu.Unlock()
	if to != nil {
		to(sig)
	}
}

// raise makes what waiters look at agree with what is kept.
func (s *Signals) raise() {
	var word [8]byte
	if !slices.ContainsFunc(s.kept, Ends) {
		select {
		case <-s.alarm:
		default:
		}
		_, _ = unix.Read(s.event, word[:])
		return
	}
	select {
	case s.alarm <- struct{}{}:
	default:
	}
	binary.NativeEndian.PutUint64(word[:], 1)
	_, _ = unix.Write(s.event, word[:])
}

// Pass has someone get all that are kept, and those that come from now on.
func (s *Signals) Pass(to func(unix.Signal)) {
	for s != nil {
		s.mu.Lock()
		list := s.kept
		if s.kept = nil; len(list) == 0 {
			s.to = to
			s.mu.Unlock()
			return
		}
		s.raise()
		s.mu.Unlock()
		for _, sig := range list {
			to(sig)
		}
	}
}

// Keep forgets what was kept and keeps what comes: a wait that begins now is ended by what comes while it lasts.
func (s *Signals) Keep() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept, s.to = nil, nil
	s.raise()
}

// Stop gives signals back their usual effect, which a kept one has at once.
func (s *Signals) Stop() {
	if s == nil {
		return
	}
	signal.Stop(s.came)
	var kept *Error
	if errors.As(s.Pending(), &kept) {
		_ = unix.Kill(os.Getpid(), kept.Signal)
	}
}

// Pending takes the first signal that ends a wait, as an [*Error]; nil where there is none.
func (s *Signals) Pending() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.kept, Ends)
	if i < 0 {
		return nil
	}
	sig := s.kept[i]
	s.kept = slices.Delete(s.kept, i, i+1)
	s.raise()
	return &Error{sig}
}

// ours is how long a signal that has killed a child of ours needs at most to reach us too, when a terminal has sent it to
// both.
const ours = 250 * time.Millisecond

// Rather is the signal that has ended what err tells of: one that has come, or for somebody whom killed has ended, comes.
// Else it is err.
func (s *Signals) Rather(err error, killed unix.Signal) error {
	if s != nil && Ends(killed) {
		select {
		case <-s.alarm:
		case <-time.After(ours):
		}
	}
	if p := s.Pending(); p != nil {
		return p
	}
	return err
}

// Receive receives from a channel, unless a signal was there before.
func Receive[T any](s *Signals, from <-chan T) (T, error) {
	var none T
	var alarm chan struct{}
	if s != nil {
		alarm = s.alarm
	}
	for {
		select {
		case got := <-from:
			return got, nil
		case <-alarm:
			if err := s.Pending(); err != nil {
				return none, err
			}
		}
	}
}

// Do does something that nothing else can end. When a signal comes it is left to itself, which matters to nobody in a
// process that is about to end.
func Do(s *Signals, what func() error) error {
	if s == nil {
		return what()
	}
	done := make(chan error, 1)
	go func() { done <- what() }()
	err, interrupted := Receive(s, done)
	if interrupted != nil {
		return interrupted
	}
	return err
}

// Readable waits until a descriptor is readable, for so long at most (for ever where that is negative), and says whether
// it is. One whose other side has gone is readable whatever else comes: nothing there is left to be ended.
func Readable(s *Signals, fd int, most time.Duration) (bool, error) {
	end := time.Now().Add(most)
	watch := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: -1, Events: unix.POLLIN}}
	if s != nil {
		watch[1].Fd = int32(s.event)
	}
	for {
		wait := -1
		if most >= 0 {
			wait = max(0, int(time.Until(end).Milliseconds()))
		}
		n, err := unix.Poll(watch, wait)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return false, err
		case watch[0].Revents&^unix.POLLIN != 0:
			return true, nil
		}
		if watch[1].Revents != 0 {
			if err := s.Pending(); err != nil {
				return false, err
			}
			continue
		}
		return n > 0, nil
	}
}
