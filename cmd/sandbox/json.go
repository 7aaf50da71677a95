package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sandbox/pkg/printable"
)

// What is printed as JSON has words of a config.json in it, and may be printed to a terminal.

// indent is JSON for reading, as runc prints it, with a newline at its end.
func indent(v any) ([]byte, error) { return ended(json.MarshalIndent(v, "", "  ")) }

func ended(b []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return append(printable.JSON(b), '\n'), nil
}

func printJSON(v any) error { return printed(indent(v)) }

// printLine prints JSON in one line.
func printLine(v any) error { return printed(ended(json.Marshal(v))) }

func printed(b []byte, err error) error {
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(b)
	return err
}

// format is the value of --format.
type format string

// formatFlag gives a command --format, with a letter for short if it has one.
func formatFlag(cmd *cobra.Command, short string) *format {
	f := format("table")
	cmd.Flags().VarP(&f, "format", short, "table or json")
	return &f
}

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "format" }

func (f *format) Set(s string) error {
	if s != "table" && s != "json" {
		return errors.New("want table or json")
	}
	*f = format(s)
	return nil
}

// templateFlag gives a command --format that takes a template of Go's too.
func templateFlag(cmd *cobra.Command, short string) *format {
	f := format("table")
	cmd.Flags().VarP(anyFormat{&f}, "format", short, "table, json or a `TEMPLATE` of Go's with podman's names: '{{.ID}}', 'table {{.ID}} {{.Size}}'")
	return &f
}

// anyFormat is the value of such a --format.
type anyFormat struct{ *format }

func (f anyFormat) Set(s string) error {
	if !strings.Contains(s, "{{") && f.format.Set(s) != nil {
		return errors.New("want table, json or a template such as '{{.ID}}'")
	}
	*f.format = format(s)
	return nil
}

func (f *format) isTemplate() bool { return strings.Contains(string(*f), "{{") }

// templated prints rows by a template: this program becomes the other one, with whose library this one would be a sixth larger.
func (a *app) templated(of string, f *format, rows any) error {
	data, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("rows", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), "rows")
	defer file.Close()
	if _, err = file.Write(data); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err == nil {
		err = unix.Dup3(fd, 0, 0)
	}
	if err != nil {
		return err
	}
	return a.become("render", []string{"--of=" + of, "--", string(*f)})
}
