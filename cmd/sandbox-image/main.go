package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"go.podman.io/storage/pkg/reexec"

	"sandbox/pkg/helper"
	"sandbox/pkg/image"
	"sandbox/pkg/printable"
)

func main() {
	// The library runs pigz, zstd and fuse-overlayfs by their names, and the registry client docker-credential-NAME. In the
	// caller's $PATH may be a directory that commands write.
	if name, value, _ := strings.Cut(helper.Path, "="); os.Setenv(name, value) != nil {
		os.Exit(125)
	}
	if reexec.Init() { // a layer is unpacked by a process of its own, in the layer
		return
	}
	logrus.SetFormatter(plain{})
	os.Exit(execute(os.Args[1:]))
}

// plain are the library's own messages as lines of ours.
type plain struct{}

func (plain) Format(e *logrus.Entry) ([]byte, error) {
	return []byte("sandbox: " + printable.Text(e.Message) + "\n"), nil
}

func execute(args []string) int {
	if len(args) == 0 || args[0] != image.Protocol {
		said := "none"
		if len(args) > 0 {
			said = args[0]
		}
		return fail(fmt.Errorf("sandbox and sandbox-image are of different builds (protocol %q, want %q): build both (CGO_ENABLED=0 go build -o . ./cmd/...)", said, image.Protocol))
	}
	if !isInside() && !(len(args) > 1 && args[1] == "render") { // which needs no ids
		status, err := enter(args)
		if err != nil {
			return fail(err)
		}
		return status
	}
	root := command()
	root.SetArgs(args[1:])
	if err := root.Execute(); err != nil {
		return fail(err)
	}
	return 0
}

// exitError is a failure with a status of its own.
type exitError struct {
	error
	status int
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "sandbox: "+printable.Text(strings.TrimSpace(err.Error())))
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.status
	}
	return 125
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use: "sandbox", SilenceErrors: true, SilenceUsage: true, Args: cobra.NoArgs,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(pullCommand(), loadCommand(), importCommand(), rmiCommand(), tagCommand(), untagCommand(),
		saveCommand(), pushCommand(), loginCommand(), logoutCommand(), pruneCommand(),
		commitCommand(), diffCommand(), exportCommand(), volumeCommand(), fillCommand(), usageCommand(), shiftCommand(), renderCommand())
	return root
}
