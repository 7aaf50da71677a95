package worktree

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// SafeConfig is what of a person's git configuration may be known to everybody.
type SafeConfig struct {
	Config []byte // a file in git's format
	Ignore string // core.excludesFile below the home directory, "" for the usual one
}

// safeKeys are keys, by their section, whose values are no secrets and name no programs. They decide who commits, and how
// git prints what it prints.
var safeKeys = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"user":   "name email useconfigonly",
		"author": "name email", "committer": "name email",
		"init":   "defaultbranch defaultobjectformat",
		"core":   "autocrlf eol safecrlf quotepath abbrev ignorecase precomposeunicode symlinks filemode commentchar whitespace untrackedcache",
		"status": "*", "column": "*", "color": "*", "advice": "*",
		"push": "default autosetupremote followtags", "pull": "rebase ff", "merge": "conflictstyle ff", "rebase": "autosquash autostash updaterefs",
		"diff": "algorithm renames mnemonicprefix noprefix colormoved context submodule", "log": "date decorate abbrevcommit follow",
		"branch": "sort autosetuprebase autosetupmerge", "tag": "sort", "fetch": "prune", "rerere": "enabled autoupdate", "commit": "cleanup status verbose", "submodule": "recurse",
	}
})

// Safe reads configuration files, the later ones of which win, and makes one of what may be known. An alias that runs a
// program of the shell's is none of git's own, and stays out.
func Safe(files [][]byte) (s SafeConfig) {
	var b strings.Builder
	for _, data := range files {
		vars, _ := parseConfig(data)
		for _, v := range vars {
			switch {
			case v.section == "core" && v.key == "excludesfile":
				s.Ignore = strings.TrimPrefix(v.value, "~/")
				if strings.HasPrefix(v.value, "/") || s.Ignore == v.value {
					s.Ignore = ""
				}
			case v.section == "alias" && v.subsection == "" && !strings.HasPrefix(v.value, "!") && !v.bare:
				write(&b, v)
			case v.subsection == "" || v.section == "color":
				if keys := safeKeys()[v.section]; keys == "*" || slices.Contains(strings.Fields(keys), v.key) {
					write(&b, v)
				}
			}
		}
	}
	s.Config = []byte(b.String())
	return s
}

// write writes a variable with its value quoted, in a section of its own.
func write(b *strings.Builder, v variable) {
	header := v.section
	if v.subsection != "" {
		header += ` "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v.subsection) + `"`
	}
	if v.bare {
		fmt.Fprintf(b, "[%s]\n\t%s\n", header, v.key)
		return
	}
	value := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\b", `\b`).Replace(v.value)
	fmt.Fprintf(b, "[%s]\n\t%s = \"%s\"\n", header, v.key, value)
}

// Variable is a configuration file that sets one variable, by its whole name.
func Variable(name, value string) []byte {
	section, rest, ok := strings.Cut(name, ".")
	if !ok {
		return nil
	}
	v := variable{section: strings.ToLower(section), key: rest, value: value}
	if i := strings.LastIndexByte(rest, '.'); i >= 0 {
		v.subsection, v.key = rest[:i], rest[i+1:]
	}
	var b strings.Builder
	write(&b, v)
	return []byte(b.String())
}
