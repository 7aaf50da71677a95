package main

import (
	"slices"
	"strings"
	"time"

	"sandbox/pkg/worktree"
)

// speaksOfGit says whether the words of a command are about what git writes into its configuration for.
func speaksOfGit(args []string) bool {
	words := strings.Join(args, " ")
	return strings.Contains(words, "git") && slices.ContainsFunc([]string{"config", "push", "remote", "branch", "checkout", "switch", "submodule", "init"},
		func(verb string) bool { return strings.Contains(words, verb) })
}

// beforeCommand is for when a command is about to begin: from here on what comes into being is its own. Where its words speak
// of git, it is looked from the beginning whether git is kept from writing its configuration, to tell of it.
func beforeCommand(guards []*worktree.Guard, args []string) {
	now := speaksOfGit(args)
	for _, g := range guards {
		if now && g.Watches() {
			g.Watch()
		}
		g.Pass()
	}
}

// watchGuards looks for the same once another command has run for a while.
func watchGuards(guards []*worktree.Guard, args []string) {
	const while = 50 * time.Millisecond
	if speaksOfGit(args) {
		return
	}
	for _, g := range guards {
		if g.Watches() {
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
