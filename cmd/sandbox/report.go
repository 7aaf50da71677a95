package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// report tells an error: once to standard error, in one write, because a
// monitor reads its pipe once; and to the log file where there is one. What a
// caller reads as JSON must be one line of level "error" and no other.
func (a *app) report(err error) {
	text := oneLine(err.Error())
	fmt.Fprintln(os.Stderr, "sandbox: "+text)
	if a.log == "" {
		return
	}
	f, openErr := os.OpenFile(a.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if openErr != nil {
		fmt.Fprintln(os.Stderr, "sandbox: open the log: "+openErr.Error())
		return
	}
	defer f.Close()
	now := time.Now().UTC().Format(time.RFC3339)
	if a.logFormat != "json" {
		fmt.Fprintf(f, "time=%q level=error msg=%q\n", now, text)
		return
	}
	line, _ := json.Marshal(struct {
		Level string `json:"level"`
		Msg   string `json:"msg"`
		Time  string `json:"time"`
	}{"error", text, now})
	fmt.Fprintf(f, "%s\n", line)
}

// warn tells what somebody at a terminal should know although all went well.
// Programs that read our standard error on success would be confused by it
// (go-runc, Slurm), so the verbs they call stay quiet but at a terminal.
func (a *app) warn(text string) {
	_, err := unix.IoctlGetTermios(2, unix.TCGETS)
	if a.human || a.debug || err == nil {
		fmt.Fprintln(os.Stderr, "sandbox: "+oneLine(text))
	}
}

// oneLine is text without what would end the line or repaint a terminal: it may
// have words of a config.json in it.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return '?'
		}
		return r
	}, strings.ReplaceAll(strings.TrimSpace(text), "\n", "; "))
}
