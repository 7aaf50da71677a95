package main

import (
	"encoding/json"
	"os"

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
