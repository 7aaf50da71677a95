package console

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// pausing is what a session needs to let go of the caller's terminal and to take it again.
type pausing struct {
	turn    sync.Mutex // one Pause, Resume or Close at a time
	keys    sync.Mutex // held by who may read in: the copy, and nobody during a pause
	paused  bool
	waiting bool // somebody waits for the foreground, to end the pause
	over    atomic.Bool
}

// lookFront is how often a job in the background looks whether it has come to the front: no signal tells it, when it was
// not stopped.
const lookFront = 100 * time.Millisecond

// Pause gives the caller's terminal back until Resume: nothing is read from it, and its settings are the caller's. Output
// still goes there. It does nothing in a pause.
func (s *Session) Pause() error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.paused || s.over.Load() {
		return nil
	}
	s.rouse()
	s.keys.Lock()
	var roused [8]byte
	_, _ = s.wake.Read(roused[:])
	s.paused = true
	return s.restore()
}

// Resume ends a pause: at once when this process is in the foreground of the caller's terminal, and otherwise as soon as it
// is, for a job that a shell lets go on in the background must leave the terminal to the shell. The container's terminal gets
// the size that the caller's has by then.
func (s *Session) Resume() error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.paused && !s.waiting && s.in != nil && !inFront(s.in) {
		s.waiting = true
		go s.awaitFront()
		return nil
	}
	return s.resume()
}

func (s *Session) resume() error {
	if !s.paused || s.waiting || s.over.Load() {
		return nil
	}
	err := s.enter()
	if from := s.sized(); from != nil {
		_ = copySize(from, s.master) // only the foreground is told of a change
	}
	s.paused = false
	s.keys.Unlock()
	return err
}

// awaitFront ends with the pause or with the session.
func (s *Session) awaitFront() {
	for {
		time.Sleep(lookFront)
		s.turn.Lock()
		if s.over.Load() || inFront(s.in) {
			s.waiting = false
			_ = s.resume() // a terminal that is not raw is better than none
			s.turn.Unlock()
			return
		}
		s.turn.Unlock()
	}
}

// leave ends the copy of in for good.
func (s *Session) leave() {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.over.Store(true)
	s.rouse()
	if s.paused {
		s.keys.Unlock()
	}
}

func (s *Session) rouse() {
	_ = control(s.wake, func(fd int) { _, _ = unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) })
}
