package console

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// desk is a session between a payload's terminal and a caller's, at which keys are typed.
type desk struct {
	*Session
	keys, tty, slave *os.File
	shown            *collector
	before           *unix.Termios
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	keys, open := newPTY(t)
	master, openPayload := newPTY(t)
	d := &desk{keys: keys, tty: open(), slave: openPayload()}
	noEcho(t, d.slave)
	var err error
	d.before, err = termios(d.tty)
	must(t, err)
	d.shown = collect(keys)
	d.Session, err = Attach(master, d.tty, d.tty)
	must(t, err)
	t.Cleanup(d.leave)
	return d
}

func (d *desk) leave() {
	_ = d.Close()
	d.tty.Close()
	d.slave.Close()
	<-d.shown.done
}

// reads types a line and waits until the payload has it.
func (d *desk) reads(t *testing.T, line string) {
	t.Helper()
	_, err := d.keys.WriteString(line + "\r")
	must(t, err)
	buf := make([]byte, 80)
	n, err := d.slave.Read(buf)
	if got := string(buf[:n]); err != nil || got != line+"\n" {
		t.Errorf("the payload read %q, %v; want %q", got, err, line)
	}
}

// In a pause the terminal and what is typed there is somebody else's; output goes on. Afterwards all is as before.
func TestPause(t *testing.T) {
	noLeaks(t)
	d := newDesk(t)
	d.reads(t, "one")
	for range 2 { // the second does nothing
		must(t, within(t, "Pause", d.Pause))
		wantTermios(t, d.tty, d.before)
	}
	_, err := d.keys.WriteString("ours\r")
	must(t, err)
	buf := make([]byte, 80)
	if n, err := d.tty.Read(buf); err != nil || string(buf[:n]) != "ours\n" {
		t.Errorf("in a pause the caller read %q, %v", buf[:n], err)
	}
	_, err = d.slave.WriteString("printed")
	must(t, err)
	until(t, "output in a pause", func() bool { return strings.HasSuffix(d.shown.String(), "printed") })
	resize(t, d.keys, 44, 111) // nobody is told: not by the kernel, which tells the foreground
	for range 2 {
		must(t, within(t, "Resume", d.Resume))
	}
	wantSize(t, d.slave, 44, 111)
	d.reads(t, "two")
	must(t, within(t, "Close", d.Close))
	wantTermios(t, d.tty, d.before)
}

func TestPauseEnds(t *testing.T) {
	noLeaks(t)
	d := newDesk(t)
	must(t, d.Pause())
	must(t, within(t, "Close", d.Close))
	wantTermios(t, d.tty, d.before)
	// Whoever has the terminal now keeps it.
	must(t, within(t, "Resume", d.Resume))
	must(t, within(t, "Pause", d.Pause))
	wantTermios(t, d.tty, d.before)
}

// Many pauses while keys are typed: none is lost, none comes twice, nothing hangs.
func TestPauseBeside(t *testing.T) {
	noLeaks(t)
	d := newDesk(t)
	for range 50 {
		must(t, within(t, "Pause", d.Pause))
		must(t, within(t, "Resume", d.Resume))
		d.reads(t, "line")
	}
}

// Keys that signal are told while the payload's terminal signals for them, with that terminal's own keys.
func TestOnSignal(t *testing.T) {
	noLeaks(t)
	d := newDesk(t)
	told := make(chan unix.Signal, 9)
	d.OnSignal(func(s unix.Signal) { told <- s })
	want := func(typed string, signals ...unix.Signal) {
		t.Helper()
		d.reads(t, typed) // a line behind them, so that they have been seen
		for _, s := range signals {
			if got := <-told; got != s {
				t.Errorf("%q: told of %s, want %s", typed, got, s)
			}
		}
		if len(told) > 0 {
			t.Errorf("%q: told of %d more", typed, len(told))
		}
	}
	settings, err := termios(d.slave)
	must(t, err)
	want("nothing")
	for typed, sig := range map[string]unix.Signal{"\x03": unix.SIGINT, "\x1c": unix.SIGQUIT, "\x1a": unix.SIGTSTP} {
		_, err := d.keys.WriteString(typed)
		must(t, err)
		if got := within(t, "a signal", func() unix.Signal { return <-told }); got != sig {
			t.Errorf("%q: told of %s, want %s", typed, got, sig)
		}
	}
	changed := *settings
	changed.Cc[unix.VSUSP], changed.Cc[unix.VINTR] = 0, 'x'
	must(t, setTermios(d.slave, &changed))
	_, err = d.keys.WriteString("x")
	must(t, err)
	if got := within(t, "a signal", func() unix.Signal { return <-told }); got != unix.SIGINT {
		t.Errorf("the payload's own key: told of %s", got)
	}
	want("a\x1a\x03")
	changed.Lflag &^= unix.ISIG
	must(t, setTermios(d.slave, &changed))
	want("x\x1c")
}

// The foreground group of a terminal that is nobody's is none.
func TestFront(t *testing.T) {
	noLeaks(t)
	if front := newDesk(t).Front(); front != 0 {
		t.Errorf("group %d", front)
	}
}
