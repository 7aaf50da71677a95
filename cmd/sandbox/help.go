package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// help prints the help of a command, in the shape that people and tests of runc know: a name, how it is used, what it takes.
// Cobra's own would do with another shape, and is made of templates.
func help(cmd *cobra.Command, _ []string) {
	var b strings.Builder
	section := func(title, text string) {
		if text = strings.Trim(text, "\n"); text != "" {
			b.WriteString(title + ":\n" + indented(text) + "\n\n")
		}
	}
	section("NAME", cmd.CommandPath()+" - "+cmd.Short)
	usage := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		usage = cmd.CommandPath() + " [global options] COMMAND [options] [ARG...]"
	}
	section("USAGE", usage)
	if len(cmd.Aliases) > 0 {
		section("ALIAS", strings.Join(cmd.Aliases, ", "))
	}
	if cmd.Long != "" {
		section("DESCRIPTION", cmd.Long)
	}
	section("EXAMPLES", unindented(cmd.Example))
	section("COMMANDS", commands(cmd))
	section("OPTIONS", cmd.LocalNonPersistentFlags().FlagUsages())
	global := cmd.InheritedFlags()
	if !cmd.HasParent() {
		global = cmd.PersistentFlags()
	}
	section("GLOBAL OPTIONS", global.FlagUsages())
	_, _ = fmt.Fprint(cmd.OutOrStdout(), strings.TrimSuffix(b.String(), "\n")) // whoever closed it reads no help
}

func commands(cmd *cobra.Command) string {
	var b strings.Builder
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			fmt.Fprintf(&b, "%-*s  %s\n", cmd.NamePadding(), c.Name(), c.Short)
		}
	}
	return b.String()
}

// indented is text with three spaces before each line that has something.
func indented(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = "   " + line
		}
	}
	return strings.Join(lines, "\n")
}

// unindented takes off the two spaces that examples are written with.
func unindented(text string) string {
	return strings.TrimPrefix(strings.ReplaceAll(text, "\n  ", "\n"), "  ")
}
