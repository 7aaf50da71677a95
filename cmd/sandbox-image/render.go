package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/spf13/cobra"
	"go.podman.io/common/pkg/report"
	"golang.org/x/sys/unix"

	"sandbox/pkg/image"
	"sandbox/pkg/printable"
)

// renderCommand is for sandbox alone, which has no library for templates: it prints what it gets as JSON.
func renderCommand() *cobra.Command {
	var of string
	cmd := &cobra.Command{Use: "render TEMPLATE", Hidden: true, Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		kind, ok := shownKinds[of]
		if !ok {
			return fmt.Errorf("--of %q: nothing has that name", of)
		}
		rows := reflect.New(reflect.SliceOf(reflect.TypeOf(kind.row)))
		if err := json.NewDecoder(os.Stdin).Decode(rows.Interface()); err != nil {
			return err
		}
		return render(of, args[0], rows.Elem().Interface())
	}}
	cmd.Flags().StringVar(&of, "of", "", "what it is")
	return cmd
}

// shownKinds are what templates can be about, and the words over columns that are not the fields' own.
var shownKinds = map[string]struct {
	row   any
	words map[string]string
}{
	"images":  {image.Row{}, map[string]string{"ID": "IMAGE ID", "ReadOnly": "R/O", "CreatedAt": "CREATED AT", "CreatedSince": "CREATED"}},
	"inspect": {image.Inspected{}, nil},
	"history": {image.Step{}, nil},
	"df":      {image.Used{}, nil},
	"volumes": {image.ShownVolume{}, map[string]string{"Name": "VOLUME NAME"}},
}

// fieldNames are those that podman takes for others.
var fieldNames = strings.NewReplacer(".Id", ".ID")

// render prints rows by a template of podman's kind, of which the words "table " in front make columns with words over them.
func render(of, template string, rows any) error {
	var out strings.Builder
	kind := shownKinds[of]
	f, err := report.New(&out, "format").Parse(report.OriginUser, fieldNames.Replace(template))
	if err == nil && f.RenderHeaders {
		err = f.Execute(report.Headers(kind.row, kind.words))
	}
	if err == nil {
		err = f.Execute(rows)
	}
	if err != nil {
		return fmt.Errorf("--format %q: %w", template, err)
	}
	if err := f.Flush(); err != nil {
		return err
	}
	_, err = os.Stdout.WriteString(forTerminal(out.String()))
	return err
}

// forTerminal takes out of a text what would repaint a terminal, where it goes to one: others' words are in it.
func forTerminal(text string) string {
	if _, err := unix.IoctlGetTermios(1, unix.TCGETS); err != nil {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(printable.Text(strings.TrimSuffix(line, "\n")) + "\n")
	}
	return b.String()
}
