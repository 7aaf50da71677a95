package tests

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	helperArg = "helper:"
	patience  = 10 * time.Second      // how long `eventually` tries
	pause     = 20 * time.Millisecond // between two tries
	settling  = 500 * time.Millisecond
	limit     = time.Minute // a command that takes longer hangs, and its script should say so itself
)

// TestMain lets the test binary be the programs that the commands need in the script's environment.
func TestMain(m *testing.M) {
	name, ok := "", false
	if len(os.Args) > 1 {
		name, ok = strings.CutPrefix(os.Args[1], helperArg)
	}
	if !ok {
		os.Exit(m.Run())
	}
	code, err := runHelper(name, os.Args[2:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		code = 124 // of timeout(1); no test asks for it
	}
	os.Exit(code)
}

func runHelper(name string, args []string) (int, error) {
	switch name {
	case "status":
		return helpStatus(args)
	case "eventually":
		return helpEventually(args)
	case "agent":
		return helpAgent(args)
	case "terminal":
		return helpTerminal(args)
	case "pidfd":
		return helpPidfd(args)
	case "notify":
		return helpNotify(args)
	case "fuse":
		return withFuse(args)
	case "keys":
		return 0, fillKeys(args)
	case "say":
		return 0, say(args)
	}
	if attack, ok := attacks[name]; ok {
		return 0, attack(args)
	}
	return 0, fmt.Errorf("no such helper")
}

// helpStatus runs a command with its output in files: a pipe would stay open until the last process that inherited it is
// gone, and a detached container is meant to stay.
func helpStatus(args []string) (int, error) {
	var files [2]*os.File
	for i := range files {
		f, err := os.CreateTemp("", "out")
		if err != nil {
			return 0, err
		}
		os.Remove(f.Name())
		defer f.Close()
		files[i] = f
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, files[0], files[1]
	code, err := runLimited(cmd)
	if err != nil {
		return 0, err
	}
	for i, to := range []*os.File{os.Stdout, os.Stderr} {
		// What is in the file now, and no more: a detached process may still append to it.
		end, err := files[i].Seek(0, io.SeekEnd)
		if err != nil {
			return 0, err
		}
		if _, err := io.Copy(to, io.NewSectionReader(files[i], 0, end)); err != nil {
			return 0, err
		}
	}
	return code, nil
}

// helpEventually keeps quiet about all tries but the last.
func helpEventually(args []string) (int, error) {
	deadline := time.Now().Add(patience)
	for {
		probe := exec.Command(args[0], args[1:]...)
		if code, err := runLimited(probe); err == nil && code == 0 || time.Now().After(deadline) {
			return helpStatus(args)
		}
		time.Sleep(pause)
	}
}

func runLimited(cmd *exec.Cmd) (int, error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	hung := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !hung.Stop() {
		return 0, fmt.Errorf("killed after %v", limit)
	}
	if cmd.ProcessState == nil {
		return 0, err
	}
	return exitStatus(cmd.ProcessState), nil
}

// exitStatus is what a shell would put in $?.
func exitStatus(state *os.ProcessState) int {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return state.ExitCode()
}

func helpTerminal(args []string) (int, error) {
	flags := flag.NewFlagSet("terminal", flag.ContinueOnError)
	in := flags.String("in", "", "")
	after := flags.String("after", "", "")
	size := flags.String("size", "24x80", "")
	resize := flags.String("resize", "", "")
	if err := flags.Parse(args); err != nil {
		return 0, err
	}
	master, slave, err := openTerminal(*size)
	if err != nil {
		return 0, err
	}
	defer master.Close()
	cmd := exec.Command(flags.Arg(0), flags.Args()[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	var seen screen
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		_, _ = io.Copy(io.MultiWriter(os.Stdout, &seen), master) // ends with EIO once the last slave is closed
	}()
	if *in != "" {
		typed, err := os.ReadFile(*in)
		if err != nil {
			return 0, err
		}
		go func() {
			awaitRaw(master)
			seen.await(*after)
			typeIn(master, typed, *resize)
		}()
	}
	code, err := runLimited(cmd)
	slave.Close()
	<-printed
	return code, err
}

// pauseMark is where fingers would wait for what they have typed to take effect. The terminal gets its new size at the
// first.
const pauseMark = "<pause>"

func typeIn(master *os.File, typed []byte, resize string) {
	for i, part := range bytes.Split(typed, []byte(pauseMark)) {
		if i > 0 {
			time.Sleep(settling)
		}
		if i == 1 && resize != "" {
			if err := setSize(master, resize); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			time.Sleep(settling)
		}
		_, _ = master.Write(part)
	}
}

func setSize(master *os.File, size string) error {
	var ws unix.Winsize
	if _, err := fmt.Sscanf(size, "%dx%d", &ws.Row, &ws.Col); err != nil {
		return fmt.Errorf("size %q: %w", size, err)
	}
	return unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &ws)
}

// helpPidfd listens at a socket, runs a command that is to send a pidfd there, and prints the word that came along and
// the process that the fd is of, then what the command has printed.
func helpPidfd(args []string) (int, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: args[0], Net: "unix"})
	if err != nil {
		return 0, err
	}
	defer l.Close()
	code, err := helpStatus(args[1:])
	if err != nil {
		return 0, err
	}
	_ = l.SetDeadline(time.Now().Add(time.Second))
	conn, err := l.AcceptUnix()
	if err != nil {
		return code, nil // nothing came
	}
	defer conn.Close()
	word, oob := make([]byte, 100), make([]byte, 100)
	n, oobn, _, _, err := conn.ReadMsgUnix(word, oob)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return 0, fmt.Errorf("%d control messages: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return 0, fmt.Errorf("%d fds: %w", len(fds), err)
	}
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fds[0]))
	if err != nil {
		return 0, err
	}
	_, pid, _ := strings.Cut(string(info), "Pid:")
	fmt.Printf("pidfd %s %s\n", word[:n], strings.Fields(pid)[0])
	return code, nil
}

// screen is what a terminal has shown.
type screen struct {
	mu   sync.Mutex
	text []byte
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p...)
	return len(p), nil
}

// await waits for a text, but not for ever: the script then says what is missing.
func (s *screen) await(text string) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(pause / 4) {
		s.mu.Lock()
		found := bytes.Contains(s.text, []byte(text))
		s.mu.Unlock()
		if found {
			return
		}
	}
}

// awaitRaw gives a program that puts its terminal into raw mode the time to do it, as fingers would. What is typed before is
// cooked already: an end of file, say, is then a NUL byte to whoever reads it raw (n_tty's __DISABLED_CHAR).
func awaitRaw(master *os.File) {
	for deadline := time.Now().Add(patience / 5); time.Now().Before(deadline); time.Sleep(pause / 4) {
		if t, err := unix.IoctlGetTermios(int(master.Fd()), unix.TCGETS); err != nil || t.Lflag&unix.ICANON == 0 {
			return
		}
	}
}

func openTerminal(size string) (master, slave *os.File, err error) {
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	fd := int(master.Fd())
	if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
		err = setSize(master, size)
	}
	n, nerr := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = nerr
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
	}
	return master, slave, err
}
