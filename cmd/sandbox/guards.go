package main

import (
	"slices"
	"strings"
	"time"

	"sandbox/pkg/worktree"
)

// watchGuards looks whether git is kept from writing its configuration, to tell of it: from the beginning where the words
// of the command say so, else once it has run for a while.
func watchGuards(guards []*worktree.Guard, args []string) {
	const while = 50 * time.Millisecond
	words := strings.Join(args, " ")
	now := strings.Contains(words, "git") && slices.ContainsFunc([]string{"config", "push", "remote", "branch", "checkout", "switch", "submodule", "init"},
		func(verb string) bool { return strings.Contains(words, verb) })
	for _, g := range guards {
		switch {
		case !g.Watches():
		case now:
			g.Watch()
		default:
			time.AfterFunc(while, g.Watch)
		}
	}
}

// checkGuards moves aside what the command left for programs outside, and says so.
func (a *app) checkGuards(guards []*worktree.Guard) {
	for _, g := range guards {
		for _, text := range g.Check() {
			a.tell(text)
		}
		g.Close()
	}
}
