package worktree

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// programKeys are the keys, by their section, whose values git runs (git-config(1)).
var programKeys = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"core": "fsmonitor editor pager sshcommand askpass gitproxy alternaterefscommand", "sequence": "editor", "interactive": "difffilter",
		"gpg": "program defaultkeycommand", "credential": "helper", "diff": "external command textconv", "filter": "clean smudge process",
		"merge": "driver", "mergetool": "cmd path", "difftool": "cmd path", "browser": "cmd path", "man": "cmd path", "guitool": "cmd",
		"remote": "uploadpack receivepack vcs", "uploadpack": "packobjectshook", "gc": "recentobjectshook", "trailer": "command cmd",
		"tar": "command", "hook": "command", "imap": "tunnel", "web": "browser", "sendemail": "sendmailcmd tocmd cccmd headercmd smtpserver",
		"lfs": "path", "pager": "*", "submodule": "update",
	}
})

// runs says whether git runs what a variable says. An alias is run by its name, as a Makefile is, but what it names counts
// where it is there.
func runs(v variable) bool {
	keys := programKeys()[v.section]
	return keys == "*" || slices.Contains(strings.Fields(keys), v.key)
}

// followCommand protects the programs that a command names, and those that are not there yet.
func (g *Guard) followCommand(s scope, v variable) {
	for i, word := range strings.Fields(v.value) {
		g.followWord(s, word, i == 0 || strings.Contains(word, "/"))
	}
}

// followWord is that for one word of a command. A word without a slash may be anything, and is protected where a file of
// that name lies in a work tree.
func (g *Guard) followWord(s scope, word string, program bool) {
	word = strings.Trim(word, `!"'`+"`;()&|<>")
	if word == "" || len(word) >= unix.PathMax {
		return
	}
	slash := strings.Contains(word, "/") && !strings.HasSuffix(word, "/") && !strings.ContainsAny(word, "*?:=$")
	for _, path := range g.named(s.tops, word) {
		a, rel, ok := g.lies(path)
		if !ok && program && slash {
			a, rel, ok = g.lies(g.real(path))
		}
		if ok && rel != "." {
			g.protectProgram(a, rel, program && slash)
		}
	}
}

// protectProgram protects a file, and notes one that must not come into being.
func (g *Guard) protectProgram(a area, rel string, program bool) {
	h, err := a.dir.Inside(rel)
	g.note(err, a.dir, rel)
	switch {
	case err == nil:
		if h.Kind() == unix.S_IFREG {
			g.protect(a.dir, a.to, rel)
		}
		h.Close()
	case program && errors.Is(err, unix.ENOENT) && !g.excepted(filepath.Join(a.dir.Path, rel)):
		g.absent = append(g.absent, absent{g.base(a.dir), rel, g.shown(a.dir, rel)})
	}
}

// absent is a program that a configuration names and that is not there, below a directory. Unlike with what is [missing],
// the directories on the way to it may come into being: it may be one of a package that is not installed yet.
type absent struct {
	base *handle.Handle
	rel  string
	path string
}

// checkAbsent moves aside programs that came into being, and links that lead to where they would be.
func (g *Guard) checkAbsent() (told []string) {
	known := map[string]bool{}
	for _, l := range g.links {
		known[l.path] = true
	}
	done := map[string]bool{}
	for _, a := range g.absent {
		if !done[a.path] {
			done[a.path] = true
			told = append(told, a.check(g, known)...)
		}
	}
	return told
}

func (a absent) check(g *Guard, known map[string]bool) []string {
	at := a.base
	way := ""
	for rest := a.rel; ; {
		part, after, more := strings.Cut(rest, "/")
		openUp(at)
		next, err := at.Link(part)
		m := missing{at, part, g.shown(a.base, filepath.Join(way, part))}
		var told []string
		switch {
		case err != nil && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)):
		case err != nil:
			told = []string{Quote(a.path) + " cannot be looked at: do so before you run git there"}
		case next.Kind() == unix.S_IFLNK && known[m.path]:
		case !more || next.Kind() == unix.S_IFLNK:
			told = []string{moved(m, "was not there before, and a configuration of git's names it as a program")}
		}
		if at != a.base {
			at.Close()
		}
		if next == nil || !more || next.Kind() == unix.S_IFLNK || told != nil {
			if next != nil {
				next.Close()
			}
			return told
		}
		way = filepath.Join(way, part)
		at, rest = next, after
	}
}
