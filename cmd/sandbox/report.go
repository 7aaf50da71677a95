package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/lifecycle"
	"sandbox/pkg/outfile"
	"sandbox/pkg/printable"
)

// report tells an error: once to standard error, in one write, because a
// monitor reads its pipe once; and to the log file where there is one. What a
// caller reads as JSON must be one line of level "error" and no other.
func (a *app) report(err error) {
	text := oneLine(err.Error())
	fmt.Fprintln(os.Stderr, "sandbox: "+text)
	if a.log != "" {
		a.logLine("error", text)
	}
}

func (a *app) logLine(level, text string) {
	f, openErr := outfile.Append(a.log, 0o644)
	if openErr != nil {
		fmt.Fprintln(os.Stderr, "sandbox: open the log: "+oneLine(openErr.Error()))
		return
	}
	defer f.Close()
	_, _ = f.Write(a.line(level, text)) // the log is full: there is no other place to say it
}

// line is one of a log.
func (a *app) line(level, text string) []byte {
	now := time.Now().UTC().Format(time.RFC3339)
	if a.logFormat != "json" {
		return fmt.Appendf(nil, "time=%q level=%s msg=%q\n", now, level, text)
	}
	line, _ := json.Marshal(struct {
		Level string `json:"level"`
		Msg   string `json:"msg"`
		Time  string `json:"time"`
	}{level, text, now})
	return append(line, '\n')
}

// debugLine tells what is done: where there is a log only there, as runc does, for whoever reads standard error looks for
// something else in it.
func (a *app) debugLine(text string) {
	text = oneLine(text)
	if a.log != "" {
		a.logLine("debug", text)
		return
	}
	_, _ = os.Stderr.Write(a.line("debug", text)) // whoever closed it reads nothing
}

// introduce says who does it, where and as whom.
func (a *app) introduce(r *lifecycle.Runtime) {
	var name unix.Utsname
	_ = unix.Uname(&name) // cannot fail for a buffer of ours
	r.Debug(fmt.Sprintf("%s: %s, Linux %s, as uid %d, state in %s", a.verb, strings.ReplaceAll(strings.TrimSpace(versionText()), "\n", ", "),
		unix.ByteSliceToString(name.Release[:]), r.Caller.UID, r.Root.Path))
	if a.exe.path != "" {
		r.Debug("runs from a sealed copy of " + a.exe.path + ", which its user could write")
	}
}

// warn tells what somebody should know although all went well: where there is a log,
// there. The standard error of run, create and exec is the container's, that of state
// and ps is read with their output (go-runc, Slurm): they are quiet but at a terminal.
func (a *app) warn(text string) {
	if text = oneLine(text); a.log != "" {
		a.warnings = append(a.warnings, text)
	}
	_, err := unix.IoctlGetTermios(2, unix.TCGETS)
	if a.human || a.debug || err == nil || a.log == "" && a.is(loud) {
		fmt.Fprintln(os.Stderr, "sandbox: "+text)
	}
}

// tell is warn for what concerns the caller's safety, which no verb keeps to itself.
func (a *app) tell(text string) {
	text = oneLine(text)
	if a.log != "" {
		a.warnings = append(a.warnings, text)
	}
	fmt.Fprintln(os.Stderr, "sandbox: "+text)
}

// logWarnings comes when all has gone well: podman takes the whole file for one object,
// and in a failure that is the error.
func (a *app) logWarnings() {
	for _, text := range a.warnings {
		a.logLine("warning", text)
	}
}

// oneLine is text without what would end the line or repaint a terminal: it may
// have words of a config.json in it.
func oneLine(text string) string {
	const most = 4000 // conmon reads 8 KiB, once
	if text = printable.Text(strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")); len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
