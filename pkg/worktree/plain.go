package worktree

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// harmless says whether a repository that nobody knew is one that makes git outside do nothing: plain keys, no hooks but
// samples, nothing that leads elsewhere.
func harmless(git *handle.Handle) bool {
	var st unix.Stat_t
	for _, name := range []string{"commondir", "config.worktree"} {
		if unix.Fstatat(git.FD, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			return false
		}
	}
	if hooks, err := git.Beneath("hooks"); err == nil {
		entries, err := list(hooks, make([]byte, 4<<10))
		hooks.Close()
		for _, e := range entries {
			if !strings.HasSuffix(e.name, ".sample") {
				return false
			}
		}
		if err != nil {
			return false
		}
	} else if !errors.Is(err, unix.ENOENT) {
		return false
	}
	data, err := readBelow(git, "config")
	if errors.Is(err, unix.ENOENT) {
		return true
	}
	vars, syntax := parseConfig(data)
	if err != nil || syntax != nil || bytes.IndexByte(data, 0) >= 0 {
		return false
	}
	formats := 0
	for _, v := range vars {
		if v.name() == "extensions.objectformat" {
			formats++
		}
		if !plain(v) || formats > 1 {
			return false
		}
	}
	return true
}

// plain are keys that name no program and no other file.
func plain(v variable) bool {
	switch v.section {
	case "core":
		return slices.Contains([]string{"repositoryformatversion", "filemode", "bare", "logallrefupdates", "ignorecase", "precomposeunicode", "symlinks", "autocrlf", "eol", "safecrlf"}, v.key)
	case "remote":
		return slices.Contains([]string{"fetch", "push", "tagopt", "prune", "mirror", "promisor", "partialclonefilter"}, v.key) ||
			(v.key == "url" || v.key == "pushurl") && !strings.Contains(v.value, "::") && !strings.HasPrefix(v.value, "-")
	case "branch":
		return slices.Contains([]string{"remote", "merge", "rebase", "pushremote", "description"}, v.key)
	case "user":
		return slices.Contains([]string{"name", "email"}, v.key)
	case "submodule":
		return v.key == "active" || v.key == "url" && !strings.Contains(v.value, "::") && !strings.HasPrefix(v.value, "-")
	case "extensions":
		return slices.Contains([]string{"partialclone", "noop"}, v.key) || v.key == "objectformat" && (v.value == "sha1" || v.value == "sha256")
	case "init":
		return v.key == "defaultbranch" // and not what a new repository begins with
	case "pack", "index", "status", "color", "advice", "pull", "push", "fetch", "lfs":
		return v.subsection == "" && v.name() != "index.threads" && !strings.ContainsAny(v.value, "/!$`;|&")
	}
	return false
}

// noteKeys remembers what a configuration said at the start that is not plain.
func (g *Guard) noteKeys(path string, vars []variable) {
	for i := range g.fixed {
		if f := &g.fixed[i]; filepath.Join(f.base.Path, f.rel) == path {
			f.keys = map[string]bool{}
			for _, v := range vars {
				if !plain(v) {
					f.keys[v.name()+"="+v.value] = true
				}
			}
		}
	}
}
