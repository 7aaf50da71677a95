package main

import (
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"sandbox/pkg/kernel"
	"sandbox/pkg/lifecycle"
)

// namespaceModes are those of all kinds of namespaces.
var namespaceModes = []string{"private", "host", "ns:"}

// flagValues are the values of flags that have few, whatever the command is.
var flagValues = sync.OnceValue(func() map[string][]string {
	return map[string][]string{
		"userns": {"auto", "single", "keep-id", "host"}, "uts": namespaceModes, "ipc": namespaceModes, "pid": namespaceModes, "cgroupns": namespaceModes,
		"network": {"slirp4netns", "pasta", "none", "host", "ns:", "container:"}, "cgroups": {"enabled", "disabled"},
		"cgroup-manager": {"systemd", "cgroupfs", "disabled"}, "log-format": {"text", "json"}, "format": {"table", "json"},
		"env-host": {"yes", "no"}, "env-pass": {"all", "none", "default"}, "no-protect": {"all"}, "group-add": {"keep-groups"},
		"security-opt": {"no-new-privileges", "seccomp=", "seccomp=unconfined", "socketcall", "apparmor=", "label=disable", "mask=", "unmask=", "proc-opts="},
		"require":      kernel.Features(), "cap-add": kernel.Capabilities(), "cap-drop": kernel.Capabilities(),
	}
})

// lists are flags that take several of these, with commas between.
var lists = []string{"require", "cap-add", "cap-drop"}

// takesID are the commands whose first word is a container, and in which states that is of use; none means any.
var takesID = sync.OnceValue(func() map[string][]string {
	return map[string][]string{
		"start": {"created"}, "state": nil, "exec": {"running"}, "kill": {"created", "running"}, "delete": nil, "pause": {"running"}, "resume": {"paused"},
		"update": {"created", "running", "paused"}, "events": {"created", "running", "paused"}, "stats": {"running", "paused"}, "ps": {"running", "paused"}, "port": {"created", "running", "paused"}, "diff": nil, "commit": nil, "export": nil,
	}
})

var someSignals = []string{"TERM", "KILL", "INT", "HUP", "QUIT", "USR1", "USR2", "STOP", "CONT", "WINCH"}

// complete teaches a command what its words can be.
func (a *app) complete(cmd *cobra.Command, name string) {
	for flag, values := range flagValues() {
		if cmd.Flags().Lookup(flag) != nil || cmd.PersistentFlags().Lookup(flag) != nil {
			_ = cmd.RegisterFlagCompletionFunc(flag, oneOf(values, slices.Contains(lists, flag))) // fails for a flag that has one
		}
	}
	states, named := takesID()[name]
	if !named && name != "explain" {
		return // files, as shells complete them
	}
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		switch {
		case name == "explain" && len(args) == 0:
			return codes(), cobra.ShellCompDirectiveNoFileComp
		case named && (len(args) == 0 || name == "stats"):
			return a.ids(states), cobra.ShellCompDirectiveNoFileComp
		case name == "kill" && len(args) == 1:
			return someSignals, cobra.ShellCompDirectiveNoFileComp
		case name == "exec":
			return nil, cobra.ShellCompDirectiveDefault
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// oneOf completes a value; the last of several where it is a list.
func oneOf(values []string, list bool) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		directive := cobra.ShellCompDirectiveNoFileComp
		before := ""
		if i := strings.LastIndexByte(typed, ','); list && i >= 0 {
			before = typed[:i+1]
		}
		out := make([]string, 0, len(values))
		for _, v := range values {
			out = append(out, before+v)
			if strings.HasSuffix(v, ":") || strings.HasSuffix(v, "=") {
				directive |= cobra.ShellCompDirectiveNoSpace
			}
		}
		return out, directive
	}
}

// ids are the containers in some states, with what they do.
func (a *app) ids(states []string) []string {
	r, err := a.runtime()
	if err != nil {
		return nil // a shell that completes shows no error
	}
	r.Warn, r.Tell = func(string) {}, func(string) {}
	all, err := r.List()
	if err != nil {
		return nil
	}
	all = slices.DeleteFunc(all, func(s lifecycle.State) bool {
		return states != nil && !slices.Contains(states, string(s.Status))
	})
	out := make([]string, 0, len(all))
	for _, s := range all {
		out = append(out, s.ID+"\t"+string(s.Status))
	}
	return out
}

// codes are those of `explain`, with what they mean.
func codes() []string {
	var out []string
	for _, c := range kernel.List() {
		out = append(out, string(c.Code)+"\t"+c.Summary)
	}
	return out
}
