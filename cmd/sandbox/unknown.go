package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// elsewhere are commands of podman's and docker's, and what somebody who types one finds here.
var elsewhere = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"stop":       "`sandbox kill ID` ends a container, `sandbox delete --force ID` removes it too",
		"restart":    "`sandbox delete --force ID` ends and removes a container, and `sandbox run` starts another one",
		"logs":       "output is not kept: `sandbox run` without -d shows it, and `sandbox run -d -- sh -c 'CMD >FILE 2>&1'` writes it to a file",
		"attach":     "`sandbox run` without -d shows the output, and `sandbox exec -t ID sh` runs a shell beside it",
		"top":        "`sandbox ps ID` lists the processes, `sandbox stats ID` shows what they use",
		"unpause":    "`sandbox resume ID` lets a paused container go on",
		"info":       "`sandbox check` says what this host allows",
		"wait":       "`sandbox run` without -d waits, and its exit status is the command's",
		"cp":         "`sandbox run -v DIR` shares a directory, and `sandbox exec ID cat FILE` prints a file",
		"build":      "`buildah bud` and `podman build` build images, in the store that `sandbox run IMAGE` looks into",
		"checkpoint": "checkpoints are not there yet; `sandbox pause ID` stops all processes for a while",
	}
})

// alike are further names for the same.
var alike = sync.OnceValue(func() map[string]string { return map[string]string{"restore": "checkpoint", "container": "info"} })

// known refuses a command that does not exist, also when only its help is asked
// for: podman takes a help without error for support.
func (a *app) known(name string, args []string) error {
	if name == "" || name == "help" || name == "completion" || strings.HasPrefix(name, "__") {
		return nil
	}
	if a.find(name) != nil {
		return nil
	}
	hint := ""
	if text := elsewhere()[name]; text != "" {
		hint = text + "; "
	} else if text := elsewhere()[alike()[name]]; text != "" {
		hint = text + "; "
	} else if near := a.command("").SuggestionsFor(name); len(near) > 0 {
		hint = fmt.Sprintf("did you mean %s? ", strings.Join(near, " or "))
	}
	if slices.ContainsFunc(args, func(arg string) bool { return arg == "-h" || double(arg) == "--help" }) {
		hint = fmt.Sprintf("No help topic for '%s': %s", name, hint) // runc's words
	}
	return fmt.Errorf("unknown command %q; %s\"sandbox --help\" lists them", name, hint)
}
