package main

import (
	"encoding/json"
	"errors"
	"os"

	"sandbox/pkg/printable"

	"github.com/spf13/cobra"
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
