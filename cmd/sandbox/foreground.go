package main

import (
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/console"
	"sandbox/pkg/lifecycle"
)

// leaveTerminal gives a job in the background an empty standard input instead of the
// terminal. The kernel would stop it when it reads; but the payload is in a session
// of its own, and would take from the shell what is typed.
func leaveTerminal(p *specs.Process) error {
	front, err := unix.IoctlGetInt(0, unix.TIOCGPGRP) // of our own terminal only
	if err != nil || front == unix.Getpgrp() || p.Terminal {
		return nil
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	return unix.Dup3(int(null.Fd()), 0, 0)
}

// foreground is the caller's terminal while a payload has one of its own, or
// nothing.
type foreground struct{ ours, theirs, dialed *os.File }

// openTerminal makes the socket over which a foreground run gets the master.
func openTerminal(o *lifecycle.Options, detached bool) (*foreground, error) {
	t := &foreground{}
	if detached || o.Console != nil || !o.Spec.Process.Terminal {
		return t, nil
	}
	var err error
	if t.ours, t.theirs, err = console.Pair(); err != nil {
		return nil, err
	}
	o.TTY = t.tty()
	return t, nil
}

// size gives a terminal that this process will hold the size of its own: else it has none until our first look.
func (r *runFlags) size(o *lifecycle.Options) error {
	if p := o.Spec.Process; p.Terminal && !r.detach && r.consoleSocket == "" && p.ConsoleSize == nil {
		p.ConsoleSize = terminalSize()
	}
	return nil
}

func (t *foreground) close() {
	for _, f := range []*os.File{t.ours, t.theirs, t.dialed} {
		if f != nil {
			f.Close()
		}
	}
}

// tty is what a payload is told of it.
func (t *foreground) tty() lifecycle.TTY {
	return lifecycle.TTY{Console: t.theirs, Plain: !console.Direct(os.Stdin, os.Stdout)}
}

// wait forwards signals and the terminal until the payload ends.
func (t *foreground) wait(c *lifecycle.Container, signals lifecycle.Signals) (int, error) {
	c.Forward(signals)
	if t.ours == nil {
		return c.Wait()
	}
	t.theirs.Close()
	master, _, err := console.Receive(t.ours)
	if err != nil {
		return 0, err
	}
	session, err := console.Attach(master, os.Stdin, os.Stdout)
	if err != nil {
		return 0, err
	}
	defer func() { _ = session.Close() }() // the payload's status is what the caller waits for
	return c.Wait()
}

// terminalSize is that of the caller's terminal, for the payload's first look.
func terminalSize() *specs.Box {
	size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
	if err != nil || size.Row == 0 {
		return nil
	}
	return &specs.Box{Height: uint(size.Row), Width: uint(size.Col)}
}
