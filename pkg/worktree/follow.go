package worktree

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// followConfig protects what a configuration file names inside of what is shared: files that it includes, the directory
// of hooks, programs.
func (g *Guard) followConfig(d *gitDir, dir *handle.Handle, name string, level int) {
	data, err := g.read(dir, name)
	if err != nil || level > 8 {
		return
	}
	vars, _ := parseConfig(data)
	g.noteKeys(filepath.Join(dir.Path, name), vars)
	for _, v := range vars {
		switch {
		case v.section == "core" && v.key == "hookspath":
			g.protectNamed(d, d.top, v.value)
			if filepath.Clean(v.value) == ".husky" {
				// Up to version 8 husky writes below that directory at each install, and fails where it cannot.
				g.wantsEnv = append(g.wantsEnv, "HUSKY=0")
			}
		case (v.section == "include" || v.section == "includeif") && v.key == "path":
			from := dir
			if at := filepath.Dir(name); at != "." {
				if from, err = g.beneath(dir, at); err != nil {
					continue
				}
			}
			if in, rel, ok := g.protectNamed(d, from, v.value); ok {
				g.followConfig(d, in, rel, level+1)
			}
		case v.section == "branch", v.section == "user", v.key == "url", v.key == "pushurl", v.key == "fetch", v.key == "push":
		default:
			for _, word := range strings.Fields(v.value) {
				if word = strings.Trim(word, `!"';`); word != "" && len(word) < unix.PathMax {
					g.protectProgram(d, word)
				}
			}
		}
	}
}

// protectNamed protects a path that a configuration names, relative to from, where it lies in something that is shared.
func (g *Guard) protectNamed(d *gitDir, from *handle.Handle, path string) (in *handle.Handle, rel string, ok bool) {
	if rest, home := strings.CutPrefix(path, "~/"); home && g.ask.Home != "" {
		path = filepath.Join(g.ask.Home, rest)
	}
	if path == "" || strings.HasPrefix(path, "~") || strings.HasPrefix(path, "%(") {
		return nil, "", false
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(from.Path, path)
	}
	path = filepath.Clean(path)
	if filepath.Base(path) == "_" && filepath.Base(filepath.Dir(path)) == ".husky" {
		path = filepath.Dir(path) // what lies in _ runs what lies beside it
	}
	return g.protectPath(path, area{d.base, d.to})
}

// protectPath protects an absolute path where it lies in something that is shared. Where what is shared lies in it, all of
// that is not writable.
func (g *Guard) protectPath(path string, own area) (in *handle.Handle, rel string, ok bool) {
	if _, in := below(g.dir.Path, path); in && !g.ask.None {
		// `core.hooksPath = .husky`, and who stands there: but not a path that names all of a work tree, or a disk.
		if h, err := handle.Open(path); err == nil {
			if h.IsDir() && h.ID != own.dir.ID && (g.Tree == nil || h.ID != g.Tree.ID) && path != "/" {
				g.InGit = path
			}
			h.Close()
		}
		return nil, "", false
	}
	for _, area := range append([]area{{g.dir, &g.Inside}, own}, g.areas()...) {
		if rel, in := below(path, area.dir.Path); in && rel != "." {
			g.protect(area.dir, area.to, rel)
			return area.dir, rel, true
		}
	}
	return g.protectReal(path)
}

// protectReal is that for a path which leads into the shared directory by way of a link outside, the caller's own.
func (g *Guard) protectReal(path string) (in *handle.Handle, rel string, ok bool) {
	for range 20 {
		h, err := handle.Open(path)
		if err != nil {
			return nil, "", false
		}
		defer h.Close()
		rel, in := below(h.Now(), g.dir.Now())
		if !in || rel == "." {
			return nil, "", false
		}
		if same, err := g.beneath(g.dir, rel); err == nil {
			same.Close()
			if same.ID == h.ID {
				g.protect(g.dir, &g.Inside, rel)
				return g.dir, rel, true
			}
		}
	}
	g.Closed = path // its names change all the time
	return nil, "", false
}

type area struct {
	dir *handle.Handle
	to  *[]Part
}

func (g *Guard) areas() (list []area) {
	for _, d := range g.GitDirs {
		list = append(list, area{d.Handle, &d.Parts})
	}
	return list
}

// protectProgram is protectNamed for a word of a command: only for a file that is there.
func (g *Guard) protectProgram(d *gitDir, word string) {
	if !filepath.IsAbs(word) {
		word = filepath.Join(d.top.Path, word)
	}
	rel, ok := below(filepath.Clean(word), g.dir.Path)
	if !ok || rel == "." {
		return
	}
	h, err := g.dir.Inside(rel)
	g.note(err, g.dir, rel)
	if err == nil {
		if h.Kind() == unix.S_IFREG {
			g.protect(g.dir, &g.Inside, rel)
		}
		h.Close()
	}
}
