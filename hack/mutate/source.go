package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// source is the program: the Go files below cmd/ and pkg/ that are no tests, by their names from the top of the tree.
type source map[string]string

func readSource(root string) (source, error) {
	s := source{}
	for _, dir := range []string{"cmd", "pkg"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			s[name] = string(data)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// apply finds the file that a mutant changes and returns it as it is then.
func (s source) apply(m *mutant) (file, text string, err error) {
	found := 0
	for name, have := range s {
		for at := next(have, m.old, 0); at >= 0; at = next(have, m.old, at+1) {
			found++
			file, text = name, have[:at]+m.new+have[at+len(m.old):]
		}
	}
	if found != 1 {
		return "", "", fmt.Errorf("mutant %s: its old lines stand %d times in the sources, want once", m.name, found)
	}
	return file, text, nil
}

// next finds whole lines in a text, from an offset on; -1 is nowhere.
func next(text, lines string, from int) int {
	for {
		i := strings.Index(text[from:], lines)
		if i < 0 {
			return -1
		}
		if from += i; from == 0 || text[from-1] == '\n' {
			return from
		}
		from++
	}
}
