package worktree

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// pending is what would run, or might, when something that git has under way goes on (--continue).
type pending struct {
	file string // below the git directory
	what string
	bad  bool // it cannot be read as git would read it: nobody makes that but to hide something
}

// underWay are the directories in which git keeps what it has under way, and the files there that can name programs: lines
// "exec" (git-rebase(1)), and strategies, which are programs called git-merge-NAME (sequencer.c, builtin/rebase.c).
var underWay = []way{
	{"rebase-merge", "git-rebase-todo", ""},
	{"rebase-apply", "", ""},
	{"sequencer", "todo", "opts"},
}

type way struct{ dir, lines, options string }

func isUnderWay(e entry) bool {
	return slices.ContainsFunc(underWay, func(u way) bool { return strings.EqualFold(u.dir, e.name) })
}

// mostLines bounds what is read of the lines of a rebase, in bytes. One of 10 000 commits has 1 MB.
const mostLines = 4 << 20

// pendings lists what a git directory has under way that runs programs.
func pendings(git *handle.Handle) (list []pending) {
	for _, u := range underWay {
		dir, err := git.Link(u.dir)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil || !dir.IsDir() {
			list = append(list, pending{u.dir, "", true})
			if err == nil {
				dir.Close()
			}
			continue
		}
		read := func(name string, find func([]byte) []string) {
			data, err := readUpTo(dir, name, mostLines, noLinks)
			file := filepath.Join(u.dir, name)
			if errors.Is(err, unix.ENOENT) {
				return
			}
			if err != nil {
				list = append(list, pending{file, "", true})
				return
			}
			for _, what := range find(data) {
				list = append(list, pending{file, what, false})
			}
		}
		if u.lines != "" {
			read(u.lines, execLines)
		}
		if u.options != "" {
			read(u.options, foreignOptions)
		}
		read("strategy", foreignStrategy)
		read("update-refs", foreignRefs)
		read("refs-to-delete", foreignRefs)
		read("head-name", foreignHead)
		read("apply-opt", foreignApply)
		read("gpg_sign_opt", foreignKey)
		dir.Close()
	}
	return list
}

// execLines are the lines that run programs. The word ends at any white space (is_command in git's sequencer.c).
func execLines(data []byte) (list []string) {
	for line := range strings.Lines(string(data)) {
		line = strings.TrimLeft(strings.TrimRight(line, "\n"), " \t")
		word := line
		if i := strings.IndexFunc(line, func(r rune) bool { return r <= ' ' }); i >= 0 {
			word = line[:i]
		}
		if word == "exec" || word == "x" {
			list = append(list, line)
		}
	}
	return list
}

// strategies are git's own (git-merge(1), "MERGE STRATEGIES"); it runs another one as a program of that name.
var strategies = []string{"resolve", "recursive", "octopus", "ours", "subtree", "ort", "theirs"}

func foreignStrategy(data []byte) []string {
	if name := strings.TrimSpace(string(data)); name != "" && !slices.Contains(strategies, name) {
		return []string{name}
	}
	return nil
}

// foreignKey is a key that is none: it is an argument of the program that signs.
func foreignKey(data []byte) []string {
	text := strings.TrimRight(string(data), "\r\n")
	if key, ok := strings.CutPrefix(text, "-S"); text == "" || ok && !strings.HasPrefix(key, "-") && !strings.ContainsAny(key, "\n\x00") {
		return nil
	}
	return []string{text}
}

// foreignOptions are lines of the sequencer's options, a configuration file, that name programs.
func foreignOptions(data []byte) (list []string) {
	vars, err := parseConfig(data)
	if err != nil {
		list = append(list, "")
	}
	for _, v := range vars {
		switch v.name() {
		case "options.strategy":
			list = append(list, foreignStrategy([]byte(v.value))...)
		case "options.gpg-sign":
			list = append(list, foreignKey([]byte("-S"+v.value))...)
		}
	}
	return list
}

// move moves aside what a pending thing is told in, which people know by a path.
func (p pending) move(git *handle.Handle, path string) string {
	why := "would run programs that it would not before"
	if p.bad {
		why = "is not what git makes there, and may run programs"
	}
	dir, err := git.Beneath(filepath.Dir(p.file))
	if err != nil {
		return Quote(path) + " " + why + ", and cannot be looked at: do so before you go on"
	}
	defer dir.Close()
	return moved(missing{dir, filepath.Base(p.file), path}, why)
}

// program is a pending one that was there at the start.
type program struct {
	git  handle.ID
	text string
}

func (p pending) in(git *handle.Handle) program { return program{git.ID, p.file + "\x00" + p.what} }

// noteState remembers which programs would be run by what is under way.
func (g *Guard) noteState(git *handle.Handle) {
	for _, p := range pendings(git) {
		if g.pending == nil {
			g.pending = map[program]bool{}
		}
		g.pending[p.in(git)] = true
	}
}
