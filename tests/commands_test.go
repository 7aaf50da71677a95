package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// verb is a command of ours: an error instead of a Fatalf, so that `eventually` can try it again.
type verb func(ts *testscript.TestScript, args []string) error

// negatable commands have a meaning for `!`; the others refuse it rather than to succeed for the wrong reason.
var negatable = map[string]bool{"jsonget": true, "alive": true, "dead": true}

func (h *harness) verbs() map[string]verb {
	return map[string]verb{
		"bundle":   h.bundle,
		"rootfs":   rootfs,
		"store":    store,
		"attacker": attacker,
		"jsonset":  jsonset,
		"jsondel":  jsondel,
		"jsonget":  jsonget,
		"status":   status,
		"terminal": terminal,
		"pidfd":    pidfd,
		"notify":   notify,
		"agent":    agent,
		"hostpid":  hostpid,
		"alive":    alive,
		"dead":     dead,

		"freeports": freeports,
	}
}

func (h *harness) commands() map[string]func(*testscript.TestScript, bool, []string) {
	verbs := h.verbs()
	verbs["eventually"] = func(ts *testscript.TestScript, args []string) error { return eventually(ts, verbs, args) }
	cmds := make(map[string]func(*testscript.TestScript, bool, []string))
	for name, do := range verbs {
		cmds[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if neg && !negatable[name] {
				ts.Fatalf("%s has no negation", name)
			}
			err := do(ts, args)
			var usage usageError
			switch {
			case errors.As(err, &usage):
				ts.Fatalf("usage: %v", err)
			case neg && err == nil:
				ts.Fatalf("%s %s: unexpected success", name, strings.Join(args, " "))
			case !neg && err != nil:
				ts.Fatalf("%s: %v", name, err)
			}
		}
	}
	return cmds
}

// usageError is never what a `!` hoped for.
type usageError string

func (u usageError) Error() string { return string(u) }

func jsonset(ts *testscript.TestScript, args []string) error {
	if len(args) != 3 {
		return usageError("jsonset FILE PATH VALUE")
	}
	return editFile(ts.MkAbs(args[0]), args[1], put(parseValue(args[2])))
}

func jsondel(ts *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return usageError("jsondel FILE PATH")
	}
	return editFile(ts.MkAbs(args[0]), args[1], remove)
}

func editFile(file, path string, last edit) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	doc, err := parseDocument(data)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := doc.apply(path, last); err != nil {
		return err
	}
	if data, err = doc.bytes(); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

func jsonget(ts *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return usageError("jsonget FILE PATH")
	}
	doc, err := parseDocument([]byte(ts.ReadFile(args[0])))
	if err != nil {
		return usageError(fmt.Sprintf("%s is not JSON: %v", args[0], err))
	}
	v, err := doc.get(args[1])
	if err != nil {
		return err
	}
	if s, ok := v.(string); ok {
		_, err = fmt.Fprintln(ts.Stdout(), s)
		return err
	}
	out, err := document{v}.bytes()
	if err == nil {
		_, err = ts.Stdout().Write(out)
	}
	return err
}

// hostpid asks `sandbox state`, because the pid file of a container is written only when one was asked for.
func hostpid(ts *testscript.TestScript, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return usageError("hostpid ID [VAR]")
	}
	if err := ts.Exec("sandbox", "state", args[0]); err != nil {
		return fmt.Errorf("sandbox state %s: %w", args[0], err)
	}
	doc, err := parseDocument([]byte(ts.ReadFile("stdout")))
	if err != nil {
		return fmt.Errorf("sandbox state %s: %w", args[0], err)
	}
	pid, err := doc.get("pid")
	if err != nil {
		return err
	}
	name := "PID"
	if len(args) == 2 {
		name = args[1]
	}
	ts.Setenv(name, fmt.Sprint(pid))
	_, err = fmt.Fprintln(ts.Stdout(), pid)
	return err
}

func alive(ts *testscript.TestScript, args []string) error {
	pid, err := readPID(ts, args, "alive PIDFILE")
	if err == nil && !running(pid) {
		return fmt.Errorf("process %d is gone", pid)
	}
	return err
}

func dead(ts *testscript.TestScript, args []string) error {
	pid, err := readPID(ts, args, "dead PIDFILE")
	if err == nil && running(pid) {
		return fmt.Errorf("process %d still runs", pid)
	}
	return err
}

func readPID(ts *testscript.TestScript, args []string, usage string) (int, error) {
	if len(args) != 1 {
		return 0, usageError(usage)
	}
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	if err != nil {
		return 0, usageError(err.Error()) // `! alive` of a file that was never written proves nothing
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 0 {
		return 0, usageError(fmt.Sprintf("%s holds no pid: %q", args[0], data))
	}
	return pid, nil
}

// running reports whether the process exists and is not a zombie: kill(2) says yes to both.
func running(pid int) bool {
	if err := unix.Kill(pid, 0); errors.Is(err, unix.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// The name in parentheses may hold anything, so the state is looked for after its last one (proc_pid_stat(5)).
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	return len(fields) > 0 && fields[0] != "Z" && fields[0] != "X"
}

// eventually waits for what another process does; a fixed sleep is either too short on a slow machine or always too long.
func eventually(ts *testscript.TestScript, verbs map[string]verb, args []string) error {
	if len(args) == 0 {
		return usageError("eventually CMD [ARG...]")
	}
	try := verbs[args[0]]
	if try == nil {
		return helper(ts, 0, "eventually", args...)
	}
	deadline := time.Now().Add(patience)
	for {
		err := try(ts, args[1:])
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}

// status asserts an exact exit status: `! exec` takes 1, 125 and a crash for the same.
func status(ts *testscript.TestScript, args []string) error {
	want, cmd, err := wanted(args, "status N CMD [ARG...]")
	if err != nil {
		return err
	}
	return helper(ts, want, "status", cmd...)
}

// terminal is status on a terminal of its own.
func terminal(ts *testscript.TestScript, args []string) error {
	const usage = "terminal [-in FILE [-after TEXT]] [-size ROWSxCOLS] [-resize ROWSxCOLS] N CMD [ARG...]"
	var flags []string
	for len(args) > 1 && (args[0] == "-in" || args[0] == "-after" || args[0] == "-size" || args[0] == "-resize") {
		flags = append(flags, args[0]+"="+args[1])
		args = args[2:]
	}
	want, cmd, err := wanted(args, usage)
	if err != nil {
		return err
	}
	return helper(ts, want, "terminal", append(append(flags, "--"), cmd...)...)
}

// pidfd is status of a command that sends a pidfd to a socket.
func pidfd(ts *testscript.TestScript, args []string) error {
	const usage = "pidfd SOCKET N CMD [ARG...]"
	if len(args) < 3 {
		return usageError(usage)
	}
	want, cmd, err := wanted(args[1:], usage)
	if err != nil {
		return err
	}
	return helper(ts, want, "pidfd", append([]string{args[0]}, cmd...)...)
}

// agent is status while somebody answers for seccomp's SCMP_ACT_NOTIFY.
func agent(ts *testscript.TestScript, args []string) error {
	const usage = "agent SOCKET ERRNO N CMD [ARG...]"
	if len(args) < 2 {
		return usageError(usage)
	}
	want, cmd, err := wanted(args[2:], usage)
	if err != nil {
		return err
	}
	return helper(ts, want, "agent", append([]string{ts.MkAbs(args[0]), args[1]}, cmd...)...)
}

func wanted(args []string, usage string) (int, []string, error) {
	if len(args) < 2 {
		return 0, nil, usageError(usage)
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 0 || n > 255 {
		return 0, nil, usageError(usage)
	}
	return n, args[1:], nil
}

// helper runs the test binary as one of the programs of helper_test.go. A program and not a call: only ts.Exec has the
// script's whole environment, and its standard input.
func helper(ts *testscript.TestScript, want int, name string, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	got := 0
	if err := ts.Exec(self, append([]string{helperArg + name}, args...)...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			return err
		}
		got = exit.ExitCode()
	}
	if got != want {
		return fmt.Errorf("exit status %d, want %d", got, want)
	}
	return nil
}
