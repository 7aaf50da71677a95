package interrupt

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// caught collects signals, and has its process get one, which it returns when it has come.
func caught(t *testing.T, sig unix.Signal) *Signals {
	t.Helper()
	s, err := Catch(unix.SIGUSR1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	time.Sleep(50 * time.Millisecond) // Notify is beside us; SIGTERM would end us
	if err := unix.Kill(os.Getpid(), sig); err != nil {
		t.Fatal(err)
	}
	return s
}

func is(err error, sig unix.Signal) bool {
	var e *Error
	return errors.As(err, &e) && e.Signal == sig
}

// TestWaits: each kind of wait is ended by a signal, by one wait each.
func TestWaits(t *testing.T) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	for name, wait := range map[string]func(*Signals) error{
		"descriptor": func(s *Signals) error { _, err := Readable(s, pipe[0], -1); return err },
		"channel":    func(s *Signals) error { _, err := Receive(s, make(chan int)); return err },
		"call":       func(s *Signals) error { return Do(s, func() error { time.Sleep(time.Hour); return nil }) },
		"failure":    func(s *Signals) error { return s.Rather(errors.New("killed"), unix.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			s := caught(t, unix.SIGTERM)
			if err := wait(s); !is(err, unix.SIGTERM) {
				t.Errorf("ended with %v", err)
			}
			if err := s.Pending(); err != nil {
				t.Errorf("it has ended a wait, and is there: %v", err)
			}
			if ready, err := Readable(s, pipe[0], time.Millisecond); ready || err != nil {
				t.Errorf("the next wait: %v, %v", ready, err)
			}
		})
	}
}

// TestOtherSideGone: a payload that is there is not ended by what would end its start.
func TestOtherSideGone(t *testing.T) {
	s := caught(t, unix.SIGTERM)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Receive(s, time.After(20*time.Millisecond)); !is(err, unix.SIGTERM) {
		t.Fatal(err)
	}
	s.put(unix.SIGTERM)
	unix.Close(pair[1])
	if ready, err := Readable(s, pair[0], -1); !ready || err != nil {
		t.Errorf("%v, %v", ready, err)
	}
	got := make(chan unix.Signal, 1)
	s.Pass(func(sig unix.Signal) { got <- sig })
	if sig := <-got; sig != unix.SIGTERM {
		t.Errorf("passed on: %v", sig)
	}
}

// TestKept: what ends no wait is the payload's, and what came before a wait that follows another one does not end it.
func TestKept(t *testing.T) {
	s := caught(t, unix.SIGUSR1)
	if ready, err := Readable(s, s.event, 100*time.Millisecond); ready || err != nil {
		t.Errorf("SIGUSR1 ends a wait: %v, %v", ready, err)
	}
	got := make(chan unix.Signal, 1)
	s.Pass(func(sig unix.Signal) { got <- sig })
	if sig := <-got; sig != unix.SIGUSR1 {
		t.Errorf("passed on: %v", sig)
	}
	s.Keep()
	s.put(unix.SIGINT)
	s.Keep()
	if err := s.Pending(); err != nil {
		t.Errorf("kept: %v", err)
	}
	var none *Signals
	none.Keep()
	none.Stop()
	none.Add(unix.SIGUSR2)
	none.Pass(nil)
	if err := none.Rather(unix.EIO, unix.SIGTERM); !errors.Is(err, unix.EIO) {
		t.Error(err)
	}
}
