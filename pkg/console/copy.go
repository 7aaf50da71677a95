package console

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// copyOut ends when the last slave closes. Reading a master then gives EIO and not end of file (n_tty_read). The first EIO
// may come before the last of the output: the kernel looks for more, and only then whether the slave has closed. The second
// has been looked for when it had.
func (s *Session) copyOut(out *os.File) {
	defer close(s.drained)
	buf := make([]byte, 32<<10)
	for closed := false; ; {
		n, err := s.master.Read(buf)
		if n > 0 {
			if s.sinkErr = writeAll(out, buf[:n]); s.sinkErr != nil {
				s.hangUp()
				return
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.sinkErr = drain(s.master, out, buf)
			return
		}
		if errors.Is(err, unix.EIO) && !closed {
			closed = true
			continue
		}
		if err != nil {
			return
		}
	}
}

// hangUp is what a terminal does whose screen has gone: the payload's next read or write fails and its session gets
// SIGHUP, so that `run -t -- yes | head -1` ends. Closing waits for copyIn's use of the master, hence the deadline.
func (s *Session) hangUp() {
	s.sinkErr = fmt.Errorf("writing the container's output: %w", s.sinkErr)
	_ = s.master.SetWriteDeadline(time.Unix(1, 0))
	s.master.Close()
}

// maxDrain is far more than a pty holds (the kernel limits its buffer to 8 KiB and the line discipline's to 4). Without
// a bound a process that was left behind and prints for ever would keep us.
const maxDrain = 1 << 20

// drain copies what is there without waiting for more. A read that finds nothing first flushes what is still on its way
// from the slave (tty_buffer_flush_work in n_tty_read), so EAGAIN means that all of it has been seen.
func drain(master, out *os.File, buf []byte) error {
	for left := maxDrain; left > 0; {
		n := 0
		var err error
		if e := control(master, func(fd int) { n, err = unix.Read(fd, buf) }); e != nil {
			return nil
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return nil // EAGAIN: nothing left; EIO: the last slave has closed
		}
		if err := writeAll(out, buf[:n]); err != nil {
			return fmt.Errorf("writing the container's output: %w", err)
		}
		left -= n
	}
	return nil
}

// writeAll writes with raw system calls. os.File.Write raises SIGPIPE when standard output is a pipe without a reader, and
// the process would die with the caller's terminal still raw.
func writeAll(f *os.File, data []byte) error {
	for len(data) > 0 {
		n, err := 0, error(nil)
		if e := control(f, func(fd int) {
			n, err = unix.Write(fd, data)
			if errors.Is(err, unix.EAGAIN) { // somebody shares our standard output and made it non-blocking
				_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
				n = 0
			}
		}); e != nil {
			return e
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		data = data[max(n, 0):]
	}
	return nil
}

// copyIn ends at in's end, when the master takes no more, or when the session does.
func (s *Session) copyIn(atEOF func(*os.File, bool)) {
	defer close(s.typed)
	in := s.in
	if in == nil {
		return
	}
	keys := isTerminal(in) // asked now: a terminal that has hung up no longer says so
	partial := false       // whether the last line is unfinished
	buf := make([]byte, 4<<10)
	for {
		n, err := s.readTyped(in, buf)
		if n > 0 {
			if keys {
				s.heed(buf[:n])
			}
			if _, err := s.master.Write(buf[:n]); err != nil {
				return
			}
			partial = buf[n-1] != '\n'
		}
		if errors.Is(err, io.EOF) && !keys {
			atEOF(s.master, partial)
		}
		if err != nil && (!errors.Is(err, errWoken) || s.over.Load()) {
			return
		}
	}
}

// heed tells of the keys that signal. The payload's terminal is asked before it gets them: they may end it.
func (s *Session) heed(typed []byte) {
	tell := s.signal.Load()
	if tell == nil {
		return
	}
	t, err := termios(s.master) // of the payload's side: a master has no settings of its own (tty_mode_ioctl)
	if err != nil || t.Lflag&unix.ISIG == 0 {
		return
	}
	for _, key := range typed {
		switch key {
		case 0: // no key (_POSIX_VDISABLE)
		case t.Cc[unix.VINTR]:
			(*tell)(unix.SIGINT)
		case t.Cc[unix.VQUIT]:
			(*tell)(unix.SIGQUIT)
		case t.Cc[unix.VSUSP]:
			(*tell)(unix.SIGTSTP)
			return // what is typed behind it is for the shell
		}
	}
}

var errWoken = errors.New("woken")

// readTyped waits for in or for wake. in keeps its blocking mode: its description is shared with the shell that started
// us, and a shell whose terminal turned non-blocking misbehaves.
func (s *Session) readTyped(in *os.File, buf []byte) (n int, err error) {
	s.keys.Lock()
	defer s.keys.Unlock()
	var wakeErr error
	inErr := control(in, func(fd int) {
		wakeErr = control(s.wake, func(wake int) { n, err = pollRead(fd, wake, buf) })
	})
	return n, errors.Join(inErr, wakeErr, err)
}

func pollRead(fd, wake int, buf []byte) (int, error) {
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return 0, err
		}
		if fds[1].Revents != 0 {
			return 0, errWoken
		}
		if fds[0].Revents == 0 {
			continue
		}
		n, err := unix.Read(fd, buf)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN): // EAGAIN: another reader of the same terminal was faster
		case err != nil:
			return 0, err // EBADF: started without a standard input; EIO: the terminal has gone
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// typeEOF types the end-of-file character, so that `echo | sandbox run -t -- cat` ends: a pipe's end cannot be passed
// through a terminal otherwise. After an unfinished line the first one only ends the line (termios(3), VEOF), so there it
// takes two.
func typeEOF(master *os.File, partial bool) {
	eof := byte(4) // ^D
	if t, err := termios(master); err == nil && t.Cc[unix.VEOF] != 0 {
		eof = t.Cc[unix.VEOF] // of the payload's side: a master has no settings of its own (tty_mode_ioctl)
	}
	typed := []byte{eof}
	if partial {
		typed = append(typed, eof)
	}
	_, _ = master.Write(typed)
}
