package console

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// rawMode puts f's terminal into raw mode and returns what puts it back, which works once and is safe to call again. For
// a file that is no terminal both do nothing.
//
// In raw mode ^C, ^\ and ^Z are bytes like others: they travel to the payload's terminal, whose line discipline signals
// the payload's foreground group. Job control therefore happens inside; our own process is not stopped by ^Z.
//
// With translate the terminal goes on to make "\r\n" of "\n": others still print on it as they did.
func rawMode(f *os.File, translate bool) (restore func() error, err error) {
	before, err := termios(f)
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the settings of terminal %q: %w", f.Name(), err)
	}
	raw := makeRaw(*before)
	if translate {
		raw.Oflag = before.Oflag
	}
	if err := setTermios(f, &raw); err != nil {
		return nil, fmt.Errorf("setting terminal %q to raw mode: %w", f.Name(), err)
	}
	return sync.OnceValue(func() error {
		if !inFront(f) {
			return nil // who has it now has set it as they like, and the kernel would stop us
		}
		if err := setTermios(f, before); err != nil {
			return fmt.Errorf("restoring terminal %q (type: stty sane): %w", f.Name(), err)
		}
		return nil
	}), nil
}

// Direct says whether what the payload's terminal prints reaches a screen as it is: in and out are both terminals, and in
// is made raw, output included. Then the payload's terminal makes "\r\n" of "\n" (ONLCR, on in every new pty), until the
// payload turns that off: a program in raw mode moves straight down with a bare "\n" (tmux does), and a caller's terminal
// that still translated, as with runc, would send it to the first column.
//
// Otherwise somebody else reads: a pipe, a file, or a terminal that translates by itself. The payload's must not.
func Direct(in, out *os.File) bool { return in != nil && isTerminal(in) && isTerminal(out) }

// printPlain takes the translation of newlines off the terminal whose master it is given.
func printPlain(master *os.File) error {
	t, err := termios(master)
	if err == nil {
		t.Oflag &^= unix.ONLCR
		err = setTermios(master, t)
	}
	if err != nil {
		return fmt.Errorf("setting the container's terminal: %w", err)
	}
	return nil
}

// makeRaw is cfmakeraw(3).
func makeRaw(t unix.Termios) unix.Termios {
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag &^= unix.CSIZE | unix.PARENB
	t.Cflag |= unix.CS8
	t.Cc[unix.VMIN] = 1
	t.Cc[unix.VTIME] = 0
	return t
}

func termios(f *os.File) (t *unix.Termios, err error) {
	ioctlErr := control(f, func(fd int) { t, err = unix.IoctlGetTermios(fd, unix.TCGETS) })
	return t, errors.Join(ioctlErr, err)
}

// setTermios takes effect at once: waiting for output (TCSETSW) would hang on a terminal stopped with ^S, and dropping
// input (TCSETSF) would lose what was typed ahead.
func setTermios(f *os.File, t *unix.Termios) (err error) {
	ioctlErr := control(f, func(fd int) { err = unix.IoctlSetTermios(fd, unix.TCSETS, t) })
	return errors.Join(ioctlErr, err)
}

// inFront says whether f is no terminal of ours, or our process group is its foreground.
func inFront(f *os.File) bool {
	front, err := 0, error(nil)
	if e := control(f, func(fd int) { front, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP) }); e != nil || err != nil {
		return true
	}
	return front == unix.Getpgrp()
}

func isTerminal(f *os.File) bool {
	_, err := termios(f)
	return err == nil
}

// copySize gives to the size of from. On the payload's side the kernel sends SIGWINCH when it differs (tty_do_resize).
func copySize(from, to *os.File) error {
	var (
		ws  *unix.Winsize
		err error
	)
	if ioctlErr := control(from, func(fd int) { ws, err = unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ) }); ioctlErr != nil || err != nil {
		return fmt.Errorf("reading the size of terminal %q: %w", from.Name(), errors.Join(ioctlErr, err))
	}
	if ioctlErr := control(to, func(fd int) { err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, ws) }); ioctlErr != nil || err != nil {
		return fmt.Errorf("setting the size of the container's terminal: %w", errors.Join(ioctlErr, err))
	}
	return nil
}

// control hands f's descriptor to use while f cannot be closed. Not f.Fd(), which in some releases of Go turns a
// non-blocking file into a blocking one behind the poller's back.
func control(f *os.File, use func(fd int)) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return conn.Control(func(fd uintptr) { use(int(fd)) })
}
