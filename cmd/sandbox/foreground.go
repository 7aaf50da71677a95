package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"sandbox/pkg/console"
	"sandbox/pkg/handle"
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

// ownTerminal is the terminal of its own that a command gets which nobody has asked for.
type ownTerminal struct {
	wanted bool
	errors bool // standard error is something else than the caller's terminal, and stays that
}

// ownTerminalFor looks whether it gets one: where the flags say nothing about it and somebody sits in front of us.
func ownTerminalFor(flags *pflag.FlagSet) (t ownTerminal) {
	for _, says := range []string{"tty", "interactive", "detach", "console-socket"} {
		if flags.Changed(says) {
			return t
		}
	}
	if atTerminal() {
		t = ownTerminal{wanted: true, errors: keepsErrors()}
	}
	return t
}

// makesTerminals says whether there is a devpts of the container's own: one of somebody else's may give out none.
func makesTerminals(mounts []specs.Mount) bool {
	kind := ""
	for _, m := range mounts {
		if dir := strings.TrimSuffix(filepath.Clean(m.Destination), "/"); strings.HasPrefix("/dev/pts/ptmx", dir+"/") {
			kind = m.Type
		}
	}
	return kind == "devpts"
}

// canTerminal says whether a running container has one. An exec would fail otherwise.
func canTerminal(root *handle.Handle) bool {
	ptmx, err := root.Inside("dev/pts/ptmx")
	if err != nil {
		return false
	}
	defer ptmx.Close()
	var fs unix.Statfs_t
	return unix.Fstatfs(ptmx.FD, &fs) == nil && fs.Type == unix.DEVPTS_SUPER_MAGIC && ptmx.Mode&0o006 == 0o006
}

// atTerminal says whether somebody sits in front of us: standard input and output are terminals, and we are not in the
// background. The keys of a terminal of its own signal what they would have signalled without us, and a shell in it has job
// control.
func atTerminal() bool {
	front, err := unix.IoctlGetInt(0, unix.TIOCGPGRP) // of our own terminal only
	return (err != nil || front == unix.Getpgrp()) && console.Direct(os.Stdin, os.Stdout)
}

// keepsErrors says whether standard error is something else than the terminal.
func keepsErrors() bool {
	errors, err := unix.IoctlGetUint32(2, unix.TIOCGDEV)
	screen, _ := unix.IoctlGetUint32(1, unix.TIOCGDEV)
	return err != nil || errors != screen
}

// foreground is the caller's terminal while a payload has one of its own, or
// nothing.
type foreground struct {
	ours, theirs, dialed *os.File
	job                  bool // the payload is like a job of the caller's shell
}

// openTerminal makes the socket over which a foreground run gets the master.
func (t *foreground) openTerminal() (tty lifecycle.TTY, err error) {
	if t.ours, t.theirs, err = console.Pair(); err != nil {
		return tty, err
	}
	return ttyOf(t.theirs, t.job), nil
}

// ttyOf is a payload's terminal whose master we get over that socket.
func ttyOf(socket *os.File, job bool) lifecycle.TTY {
	return lifecycle.TTY{Console: socket, Plain: !console.Direct(os.Stdin, os.Stdout), Job: job}
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

// wait forwards signals and the terminal until the payload ends.
func (t *foreground) wait(c *lifecycle.Container, signals lifecycle.Signals) (int, error) {
	relay := lifecycle.Relay{Job: t.job}
	if t.ours == nil {
		c.Forward(signals, relay)
		return c.Wait()
	}
	t.theirs.Close()
	master, _, err := console.Receive(t.ours)
	if err != nil {
		return 0, err
	}
	if relay.Terminal, err = console.Attach(master, os.Stdin, os.Stdout); err != nil {
		return 0, err
	}
	defer func() { _ = relay.Terminal.Close() }() // the payload's status is what the caller waits for
	c.Forward(signals, relay)
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
