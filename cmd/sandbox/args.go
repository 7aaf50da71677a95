package main

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// valued are the global flags that take a value.
var valued = []string{"--root", "--log", "--log-format", "--rootless", "--criu", "--cgroup-manager", "--helper"}

// verbAt finds the command in what was typed, len(args) where there is none.
func verbAt(args []string) int {
	for i := 0; i < len(args); i++ {
		switch {
		case !strings.HasPrefix(args[i], "-"):
			return i
		case slices.Contains(valued, double(args[i])):
			i++
		}
	}
	return len(args)
}

func verbOf(args []string) string {
	if i := verbAt(args); i < len(args) {
		return args[i]
	}
	return ""
}

// asksVersion says whether a flag for it stands before the command. It comes
// before all else, a command that does not exist too.
func asksVersion(args []string) bool {
	return slices.ContainsFunc(args[:verbAt(args)], func(arg string) bool { return arg == "-v" || double(arg) == "--version" })
}

// logOf is what the global flags say about the log, for errors that come before
// they are parsed.
func logOf(args []string) (file, format string) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.SetInterspersed(false)
	flags.Usage = func() {}
	flags.StringVar(&file, "log", "", "")
	flags.StringVar(&format, "log-format", "", "")
	for _, name := range valued {
		if name := strings.TrimLeft(name, "-"); flags.Lookup(name) == nil {
			flags.String(name, "", "")
		}
	}
	_ = flags.Parse(longFlags(args)) // what is wrong with them is not what went wrong
	return file, format
}

// double is a flag with two dashes.
func double(arg string) string {
	if strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") {
		return "-" + arg
	}
	return arg
}

// saysBundle says whether a bundle is named before the command, for errors that come before flags are parsed to their end.
func saysBundle(args []string) bool {
	for _, arg := range args {
		name, _, _ := strings.Cut(double(arg), "=")
		switch {
		case arg == "--":
			return false
		case arg == "-b", name == "--bundle", strings.HasPrefix(arg, "-b="):
			return true
		}
	}
	return false
}

// singleDash are the long flags that callers of runc write with one dash, as
// Go's own flag package takes them (go-runc passes -no-subreaper).
var singleDash = []string{
	"root", "log", "log-format", "debug", "systemd-cgroup", "rootless", "criu", "bundle", "console-socket", "pid-file", "no-subreaper",
	"no-pivot", "no-new-keyring", "preserve-fds", "detach", "keep", "force", "all", "format", "quiet", "process", "tty", "user", "env", "cwd",
	"help", "pidfd-socket",
}

// longFlags gives those their second dash, up to the first word that is not a
// flag of ours.
func longFlags(args []string) []string {
	out := slices.Clone(args)
	words := 0
	for i := 0; i < len(out); i++ {
		arg := out[i]
		if arg == "--" || words > 2 {
			break
		}
		if !strings.HasPrefix(arg, "-") {
			words++
			continue
		}
		if words == 0 && slices.Contains(valued, double(arg)) {
			out[i] = double(arg)
			i++ // its value
			continue
		}
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if len(name) > 1 && slices.Contains(singleDash, name) {
			out[i] = double(arg)
		}
	}
	return out
}
