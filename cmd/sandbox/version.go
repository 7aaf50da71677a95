package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"
)

const version = "0.1.0"

// versionText is in runc's form: a line with the word "version", of which
// Docker reads what follows it, and lines that begin with "commit: ", "spec: " and
// "go: ". There is no line of libseccomp, nothing of it being here.
func versionText() string {
	return fmt.Sprintf("sandbox version %s\ncommit: %s\nspec: %s\ngo: %s\n", version, cmp.Or(commit(), "unknown"), specs.Version, runtime.Version())
}

// commit is what the Go linker has noted of the source, "" in a build outside
// of its repository.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + dirty
}

func (a *app) version(cmd *cobra.Command) {
	cmd.Args = exactly(0)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_, err := fmt.Fprint(cmd.OutOrStdout(), versionText())
		return err
	}
}
