package console

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// seat is a session with a pipe for its output and whatever the test wants for its input.
type seat struct {
	*Session
	slave *os.File
	out   *collector
	outW  *os.File
}

func newSeat(t *testing.T, in *os.File) *seat {
	t.Helper()
	master, open := newPTY(t)
	s := &seat{slave: open()}
	r, w := newPipe(t)
	s.out, s.outW = collect(r), w
	session, err := Attach(master, in, w)
	if err != nil {
		t.Fatal(err)
	}
	s.Session = session
	t.Cleanup(s.leave)
	return s
}

// leave is idempotent, like what it calls.
func (s *seat) leave() {
	s.Close()
	s.slave.Close()
	s.outW.Close()
	<-s.out.done
}

func TestOutputIsComplete(t *testing.T) {
	noLeaks(t)
	want := bytes.Repeat([]byte("0123456789abcdef\n"), 1<<16) // 1 MiB: far beyond what a pty holds
	s := newSeat(t, nil)
	rawSlave(t, s.slave)
	go func() {
		_, _ = s.slave.Write(want)
		s.slave.Close()
	}()
	must(t, within(t, "Wait", s.Wait))
	s.leave()
	if got := s.out.String(); got != string(want) {
		t.Errorf("%d bytes arrived of %d, the same: %v", len(got), len(want), got == string(want))
	}
}

// The payload's last words: written and closed at once, then Close without Wait, as after the payload's exit.
func TestLastBytes(t *testing.T) {
	noLeaks(t)
	for range 300 {
		s := newSeat(t, nil)
		_, err := s.slave.WriteString("last words\n")
		must(t, err)
		s.slave.Close()
		must(t, within(t, "Close", s.Close))
		s.leave()
		// "\r\n": the slave's own ONLCR, with nothing set by us.
		if got := s.out.String(); got != "last words\r\n" {
			t.Fatalf("got %q", got)
		}
	}
}

// A process left behind holds the terminal: what the payload wrote still arrives, and nobody waits for the other.
func TestCloseWithHolderLeft(t *testing.T) {
	noLeaks(t)
	for range 100 {
		s := newSeat(t, nil)
		_, err := s.slave.WriteString("said")
		must(t, err)
		must(t, within(t, "Close", s.Close))
		s.outW.Close()
		<-s.out.done
		if got := s.out.String(); got != "said" {
			t.Fatalf("got %q", got)
		}
		if _, err := s.slave.WriteString("x"); !errors.Is(err, unix.EIO) {
			t.Fatalf("writing to the terminal after Close: %v, want it hung up (EIO)", err)
		}
		s.leave()
	}
}

func TestCloseWithNoisyHolder(t *testing.T) {
	noLeaks(t)
	s := newSeat(t, nil)
	go func() {
		for {
			if _, err := s.slave.WriteString(strings.Repeat("y\n", 500)); err != nil {
				return
			}
		}
	}()
	until(t, "output", func() bool { return s.out.String() != "" })
	must(t, within(t, "Close", s.Close))
}

func TestInputStaysOpen(t *testing.T) {
	noLeaks(t)
	in, keep := newPipe(t)
	defer in.Close()
	defer keep.Close()
	s := newSeat(t, in)
	s.slave.Close()
	must(t, within(t, "Wait", s.Wait))
	must(t, within(t, "Close", s.Close))
}

// A payload that never reads fills its terminal; the copy that then waits must still end.
func TestInputNobodyReads(t *testing.T) {
	noLeaks(t)
	in, w := newPipe(t)
	defer in.Close()
	go func() {
		defer w.Close()
		for {
			if _, err := w.WriteString(strings.Repeat("unread\n", 512)); err != nil {
				return
			}
		}
	}()
	s := newSeat(t, in)
	rawSlave(t, s.slave)
	_, err := s.slave.WriteString("still printed\n")
	must(t, err)
	until(t, "output beside a stuck input", func() bool { return strings.Contains(s.out.String(), "still printed") })
	must(t, within(t, "Close", s.Close))
	in.Close() // ends the writer
}

// What is piped in arrives, and its end as end of file, whether or not its last line was finished.
func TestPipedInputEnds(t *testing.T) {
	noLeaks(t)
	long := strings.Repeat(strings.Repeat("x", 99)+"\n", 2000)
	for name, want := range map[string]string{"empty": "", "line": "hello\n", "unfinished line": "hello\nworld", "long": long, "long, unfinished": long + "end"} {
		in, w := newPipe(t)
		s := newSeat(t, in)
		noEcho(t, s.slave)
		go func() {
			_, _ = w.WriteString(want)
			w.Close()
		}()
		got := within(t, name, func() string {
			// Each read of 0 bytes is one end of file; io.ReadAll stops at the first, as cat does.
			data, err := io.ReadAll(s.slave)
			if err != nil {
				t.Error(err)
			}
			return string(data)
		})
		if got != want {
			t.Errorf("%s: the payload read %d bytes, want %d", name, len(got), len(want))
		}
		s.leave()
		in.Close()
	}
}

func TestEOFCharacterIsThePayloads(t *testing.T) {
	noLeaks(t)
	in, w := newPipe(t)
	defer in.Close()
	s := newSeat(t, in)
	settings, err := termios(s.slave)
	must(t, err)
	settings.Lflag &^= unix.ECHO
	settings.Cc[unix.VEOF] = 'Q'
	must(t, setTermios(s.slave, settings))
	w.Close()
	if n, err := s.slave.Read(make([]byte, 9)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d, %v", n, err)
	}
}

func noEcho(t *testing.T, slave *os.File) {
	t.Helper()
	settings, err := termios(slave)
	must(t, err)
	settings.Lflag &^= unix.ECHO
	must(t, setTermios(slave, settings))
}

// A session whose caller sits at a terminal: callerMaster is the keyboard and screen, callerTTY what we get as stdin.
func TestCallersTerminal(t *testing.T) {
	noLeaks(t)
	callerMaster, open := newPTY(t)
	defer callerMaster.Close()
	callerTTY := open()
	defer callerTTY.Close()
	before, err := termios(callerTTY)
	must(t, err)
	resize(t, callerMaster, 33, 101)

	s := newSeat(t, callerTTY)
	during, err := termios(callerTTY)
	must(t, err)
	if during.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 {
		t.Errorf("the caller's terminal is not raw: %+v", during)
	}
	if during.Oflag != before.Oflag {
		t.Errorf("the output goes into a pipe, and who prints on the terminal gets flags %o, before %o", during.Oflag, before.Oflag)
	}
	wantSize(t, s.slave, 33, 101)

	resize(t, callerMaster, 50, 120)
	must(t, unix.Kill(os.Getpid(), unix.SIGWINCH))
	until(t, "the new size", func() bool { ws := size(t, s.slave); return ws.Row == 50 && ws.Col == 120 })

	// Keys pass as bytes, ^C, ^Z and ^D too; and the terminal's end of file is not one for the copy.
	rawSlave(t, s.slave)
	_, err = callerMaster.WriteString("a\x03\x1a\x04\r")
	must(t, err)
	got := make([]byte, 5)
	if _, err := io.ReadFull(s.slave, got); err != nil || string(got) != "a\x03\x1a\x04\r" {
		t.Errorf("the payload read %q, %v", got, err)
	}

	must(t, s.Close())
	wantTermios(t, callerTTY, before)
	// Once and not again: whoever uses the terminal after us has set it to their liking.
	other := makeRaw(*before)
	must(t, setTermios(callerTTY, &other))
	must(t, s.Close())
	wantTermios(t, callerTTY, &other)
}

// What a screen shows: a line's end goes back to the first column, and where the payload has turned that off, it does not.
func TestScreen(t *testing.T) {
	noLeaks(t)
	screen, open := newPTY(t)
	tty := open()
	master, openPayload := newPTY(t)
	slave := openPayload()
	before, err := termios(tty)
	must(t, err)
	shown := collect(screen)
	s, err := Attach(master, tty, tty)
	must(t, err)
	_, err = slave.WriteString("line\n")
	must(t, err)
	until(t, "the line", func() bool { return shown.String() == "line\r\n" })
	settings, err := termios(slave)
	must(t, err)
	settings.Oflag &^= unix.ONLCR
	must(t, setTermios(slave, settings))
	_, err = slave.WriteString("down\n")
	must(t, err)
	must(t, s.Close())
	wantTermios(t, tty, before)
	tty.Close()
	slave.Close()
	<-shown.done
	if got := shown.String(); got != "line\r\ndown\n" {
		t.Errorf("the screen got %q", got)
	}
}

func TestTerminalRestoredByPanic(t *testing.T) {
	noLeaks(t)
	callerMaster, open := newPTY(t)
	defer callerMaster.Close()
	callerTTY := open()
	defer callerTTY.Close()
	before, err := termios(callerTTY)
	must(t, err)
	func() {
		defer func() { _ = recover() }()
		s := newSeat(t, callerTTY)
		defer s.Close()
		panic("in the verb")
	}()
	wantTermios(t, callerTTY, before)
}

func TestAttachError(t *testing.T) {
	noLeaks(t)
	callerMaster, open := newPTY(t)
	defer callerMaster.Close()
	callerTTY := open()
	defer callerTTY.Close()
	before, err := termios(callerTTY)
	must(t, err)
	notTTY, w := newPipe(t)
	defer notTTY.Close()
	defer w.Close()
	if _, err := Attach(notTTY, callerTTY, w); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("a pipe for a master: %v", err)
	}
	wantTermios(t, callerTTY, before)
	if _, err := notTTY.Stat(); err != nil {
		t.Errorf("after an error the master is still the caller's: %v", err)
	}

	master, _ := newPTY(t)
	defer master.Close()
	closed, w2 := newPipe(t)
	closed.Close()
	w2.Close()
	if _, err := Attach(master, closed, w); err == nil {
		t.Error("a closed input was taken")
	}
}

// A terminal opened before its payload has: not yet any slave, which must not look like the last one closing.
func TestAttachBeforeSlave(t *testing.T) {
	noLeaks(t)
	master, open := newPTY(t)
	r, w := newPipe(t)
	out := collect(r)
	s, err := Attach(master, nil, w)
	must(t, err)
	slave := open()
	_, err = slave.WriteString("early")
	must(t, err)
	slave.Close()
	must(t, within(t, "Wait", s.Wait))
	must(t, s.Close())
	w.Close()
	<-out.done
	if got := out.String(); got != "early" {
		t.Errorf("got %q", got)
	}
}

// `run -t -- yes | head -1`: the reader goes, the payload is hung up, and no SIGPIPE ends us with a raw terminal.
func TestOutputGoes(t *testing.T) {
	noLeaks(t)
	callerMaster, caller := newPTY(t)
	defer callerMaster.Close()
	in := caller()
	defer in.Close()
	before, err := termios(in)
	must(t, err)
	master, open := newPTY(t)
	slave := open()
	defer slave.Close()
	r, w := newPipe(t)
	defer w.Close()
	s, err := Attach(master, in, w)
	must(t, err)
	r.Close()
	wrote := within(t, "the payload", func() error {
		for {
			if _, err := slave.WriteString("y\n"); err != nil {
				return err
			}
		}
	})
	if !errors.Is(wrote, unix.EIO) {
		t.Errorf("the payload's write: %v, want EIO", wrote)
	}
	if err := within(t, "Wait", s.Wait); !errors.Is(err, unix.EPIPE) {
		t.Errorf("Wait: %v, want EPIPE", err)
	}
	if err := within(t, "Close", s.Close); !errors.Is(err, unix.EPIPE) {
		t.Errorf("Close: %v, want EPIPE", err)
	}
	wantTermios(t, in, before) // the caller's terminal is given back all the same
}

// A standard output that somebody made non-blocking is waited for, not dropped.
func TestNonblockingOutput(t *testing.T) {
	noLeaks(t)
	master, open := newPTY(t)
	slave := open()
	rawSlave(t, slave)
	r, w := newPipe(t)
	s, err := Attach(master, nil, w)
	must(t, err)
	want := strings.Repeat("0123456789", 50_000)
	go func() {
		_, _ = slave.WriteString(want)
		slave.Close()
	}()
	time.Sleep(20 * time.Millisecond) // lets the pipe fill up: without it the reader might always be first
	out := collect(r)
	must(t, within(t, "Wait", s.Wait))
	must(t, s.Close())
	w.Close()
	<-out.done
	if out.String() != want {
		t.Errorf("%d bytes of %d", len(out.String()), len(want))
	}
}

// An idle session must not use the processor: its threads wait in poll and in the runtime's poller.
func TestIdleIsIdle(t *testing.T) {
	in, keep := newPipe(t)
	defer in.Close()
	defer keep.Close()
	s := newSeat(t, in)
	keep.Close() // the input's end is where a careless loop would spin
	until(t, "the end of input", func() bool {
		select {
		case <-s.typed:
			return true
		default:
			return false
		}
	})
	used := func() time.Duration {
		var use unix.Rusage
		must(t, unix.Getrusage(unix.RUSAGE_SELF, &use))
		return time.Duration(use.Utime.Nano() + use.Stime.Nano())
	}
	// A loop that spins uses all of every window; a collection of garbage, or a slow machine, not of ten in a row.
	const window = 20 * time.Millisecond
	for range 10 {
		before := used()
		time.Sleep(window)
		if used()-before < window/2 {
			return
		}
	}
	t.Error("the idle session uses the processor all the time")
}

func resize(t *testing.T, f *os.File, rows, cols uint16) {
	t.Helper()
	must(t, control(f, func(fd int) {
		must(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}))
	}))
}

func size(t *testing.T, f *os.File) (ws *unix.Winsize) {
	t.Helper()
	must(t, control(f, func(fd int) {
		var err error
		ws, err = unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		must(t, err)
	}))
	return ws
}

func wantSize(t *testing.T, f *os.File, rows, cols uint16) {
	t.Helper()
	if ws := size(t, f); ws.Row != rows || ws.Col != cols {
		t.Errorf("size %dx%d, want %dx%d", ws.Row, ws.Col, rows, cols)
	}
}

func wantTermios(t *testing.T, f *os.File, want *unix.Termios) {
	t.Helper()
	got, err := termios(f)
	must(t, err)
	if *got != *want {
		t.Errorf("settings %+v, want %+v", *got, *want)
	}
}
