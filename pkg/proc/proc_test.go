package proc

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestParseStat(t *testing.T) {
	fields := strings.Repeat(" 0", 50)
	s, err := parseStat([]byte("7 (a) b (c) R 3 1 1 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 4711" + fields[:2*27] + " 100 200 0\n"))
	if err != nil || s.State != 'R' || s.Parent != 3 || s.Begin != 4711 || s.Ended() || s.EnvBegin == 0 {
		t.Errorf("got %+v, %v", s, err)
	}
	if s, err := parseStat([]byte("7 (x) Z 3 1 1 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 2 0 4711")); err != nil || s.Ended() || s.Threads != 2 {
		t.Errorf("a process whose first thread has ended: %+v, %v", s, err)
	}
	if s, err := parseStat([]byte("7 (x) Z 3 1 1 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 4711" + fields[:2*29] + " 1792\n")); err != nil || s.Exit != 7<<8 {
		t.Errorf("one that has ended with 7: %+v, %v", s, err)
	}
	if s, err := parseStat([]byte("7 (x) Z 3 1 1 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 4711")); err != nil || !s.Ended() || s.EnvEnd != 0 {
		t.Errorf("an old kernel's: %+v, %v", s, err)
	}
	for _, bad := range []string{"", "7 (x) R", "7 (x)", "7 (x) R 3 1 1 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 x"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (a) b) R 3 1 1 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 4711"))
	f.Add([]byte(")"))
	f.Add([]byte("\x00 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseStat(b); err == nil && s.State == 0 {
			t.Errorf("no state in %q", b)
		}
	})
}

// TestID: a process is itself until it has ended, and nobody else with its number is.
func TestID(t *testing.T) {
	c := exec.Command("sleep", "100")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Of(c.Process.Pid)
	if err != nil || !id.Alive() {
		t.Fatalf("%+v, %v", id, err)
	}
	if s, err := Look(id.Pid); err != nil || s.Parent != os.Getpid() {
		t.Errorf("its parent is %d, %v", s.Parent, err)
	}
	if inside, err := Inside(id.Pid); err != nil || inside != id.Pid {
		t.Errorf("its pid is %d, %v", inside, err)
	}
	for _, other := range []ID{{id.Pid, id.Begin + 1, id.Boot}, {id.Pid, id.Begin, "another"}, {0, 0, id.Boot}, {-1, 0, id.Boot}} {
		if other.Alive() {
			t.Errorf("%+v is alive", other)
		}
		if _, err := other.Open(); !errors.Is(err, unix.ESRCH) {
			t.Errorf("%+v opens: %v", other, err)
		}
	}
	fd, err := id.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	if Ends(int(fd.Fd()), 20*time.Millisecond) {
		t.Error("it has ended")
	}
	if err := unix.PidfdSendSignal(int(fd.Fd()), unix.SIGKILL, nil, 0); err != nil {
		t.Fatal(err)
	}
	if !Ends(int(fd.Fd()), 10*time.Second) || id.Alive() {
		t.Error("it goes on")
	}
	_ = c.Wait()
	if _, err := Look(id.Pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
}

// TestSignalEach: who is not listed any more when his pidfd is open is somebody else, whose number was another's before; one
// that cannot be signalled keeps the signal from nobody.
func TestSignalEach(t *testing.T) {
	start := func() *exec.Cmd {
		c := exec.Command("sleep", "100")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Process.Kill() })
		return c
	}
	stranger, mine := start(), start()
	looks := 0
	list := func() ([]int, error) {
		if looks++; looks == 1 {
			return []int{stranger.Process.Pid, 1 << 30, mine.Process.Pid}, nil
		}
		return []int{mine.Process.Pid, os.Getpid()}, nil
	}
	if err := SignalEach(list, unix.SIGKILL); err != nil {
		t.Error(err)
	}
	_ = mine.Wait()
	if id, err := Of(stranger.Process.Pid); err != nil || !id.Alive() {
		t.Errorf("the stranger has ended: %v", err)
	}
	none := errors.New("no list")
	if err := SignalEach(func() ([]int, error) { return nil, none }, unix.SIGKILL); !errors.Is(err, none) {
		t.Errorf("got %v", err)
	}
}

func TestReadFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "big")
	long := strings.Repeat("0123456789\n", 5000)
	if err := os.WriteFile(name, []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := ReadFile(name); err != nil || string(data) != long {
		t.Errorf("got %d bytes, %v", len(data), err)
	}
	if err := os.Truncate(name, 1<<33); err != nil {
		t.Fatal(err)
	}
	if data, err := ReadFile(name); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %d bytes, %v", len(data), err)
	}
}

func TestParseIDMap(t *testing.T) {
	m, err := ParseIDMap("0 1000 1\n   1     100000   65536\n\n")
	if err != nil || len(m) != 2 || !m.Has(0) || !m.Has(65536) || m.Has(65537) || m.Initial() {
		t.Errorf("got %v %v", m, err)
	}
	if top, _ := ParseIDMap("4294967290 0 100"); top.Has(4) || !top.Has(4294967295) {
		t.Error("a range at the end of 32 bits wraps")
	}
	for _, bad := range []string{"0 0", "0 0 0 0", "a 0 1", "0 0 4294967296", "-1 0 1", strings.Repeat("9", 10000)} {
		if _, err := ParseIDMap(bad); err == nil || len(err.Error()) > 200 {
			t.Errorf("%.40q was taken, or refused at length", bad)
		}
	}
	// who uid 65534 is decides whether what it owns is believed
	for text, want := range map[string]bool{
		"         0          0 4294967295\n":  true,
		"0 1000 1\n":                          false,
		"0 1000 1\n1 100000 65536\n":          true,
		"0 1000 1\n1 100000 65533\n":          false,
		"65534 5 1\n":                         true,
		"0 100000 65534\n65535 200000 1000\n": false,
	} {
		if m, err := ParseIDMap(text); err != nil || m.Has(65534) != want {
			t.Errorf("%q: %v, %v", text, m, err)
		}
	}
	if ReadIDMap("/nowhere") != nil || len(ReadIDMap("/proc/self/uid_map")) == 0 {
		t.Error("maps of files")
	}
}

func FuzzIDMap(f *testing.F) {
	f.Add("0 0 4294967295\n", uint32(7))
	f.Add("4294967295 4294967295 4294967295\n0 1000 1\n", uint32(0))
	f.Fuzz(func(t *testing.T, text string, id uint32) {
		m, err := ParseIDMap(text)
		if err == nil && m.Initial() && !m.Has(id) && id != 4294967295 {
			t.Errorf("the initial map has no %d", id)
		}
	})
}

func TestHeeds(t *testing.T) {
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, syscall.SIGUSR1)
	signal.Ignore(syscall.SIGUSR2)
	defer signal.Reset(syscall.SIGUSR1, syscall.SIGUSR2)
	// Every signal but these two has a handler of Go's own, SIGTSTP too; the last real-time one shows where the sets end.
	for sig, want := range map[syscall.Signal]bool{syscall.SIGUSR1: true, syscall.SIGUSR2: true, syscall.SIGKILL: false, syscall.SIGSTOP: false, 64: true} {
		if got := Heeds(os.Getpid(), sig); got != want {
			t.Errorf("%v: %v", sig, got)
		}
	}
	if Heeds(-1, syscall.SIGUSR1) {
		t.Error("a process that is not there heeds a signal")
	}
}

// TestEnds: the first process of a pid namespace has begun to end while others of it have not been waited for.
func TestEnds(t *testing.T) {
	self, err := Of(os.Getpid())
	if err != nil || self.Ends() {
		t.Errorf("we end: %v", err)
	}
	c := exec.Command("sleep", "100")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Of(c.Process.Pid)
	if err != nil || id.Ends() {
		t.Errorf("it ends: %v", err)
	}
	_ = c.Process.Kill()
	for range 100 {
		if id.Ends() { // nobody has waited for it
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !id.Ends() {
		t.Error("it goes on")
	}
	_ = c.Wait()
	if !id.Ends() || !(ID{id.Pid, id.Begin + 1, id.Boot}).Ends() {
		t.Error("it is there")
	}
}
