package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// check looks whether every mutant applies, compiles, and names tests that there are. A compilation of the whole program for
// each would take minutes: the changed package is type-checked, for no mutant changes what others see of a package.
func check(ctx context.Context, root string, s source, mutants []*mutant) error {
	packages, err := listPackages(ctx, root)
	if err != nil {
		return err
	}
	scripts, err := scriptNames(root)
	if err != nil {
		return err
	}
	var all []error
	for _, m := range mutants {
		file, text, err := s.apply(m)
		if err == nil {
			err = packages.compile(root, file, text)
		}
		if err != nil {
			all = append(all, fmt.Errorf("%s: %w", m.name, err))
		}
		for _, t := range m.tests {
			if err := t.exists(root, scripts); err != nil {
				all = append(all, fmt.Errorf("%s: %w", m.name, err))
			}
		}
	}
	return errors.Join(all...)
}

// listed is what `go list` says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	ImportMap               map[string]string
}

// packages are those of the program and all that they import, by import path.
type packages map[string]*listed

func listPackages(ctx context.Context, root string) (packages, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,ImportMap", "./cmd/...", "./pkg/...")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	all := packages{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := &listed{}
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all[p.ImportPath] = p
	}
}

// compile type-checks the package of one file, which has another text.
func (all packages) compile(root, file, text string) error {
	var p *listed
	for _, one := range all {
		if one.Dir == filepath.Join(root, filepath.Dir(file)) {
			p = one
		}
	}
	if p == nil {
		return fmt.Errorf("%s is in no package", file)
	}
	set := token.NewFileSet()
	var files []*ast.File
	changed := false
	for _, name := range p.GoFiles {
		var src any
		if name == filepath.Base(file) {
			src, changed = text, true
		}
		f, err := parser.ParseFile(set, filepath.Join(p.Dir, name), src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	if !changed {
		return fmt.Errorf("%s is not compiled on this machine", file)
	}
	c := types.Config{Importer: importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) {
		if to, is := p.ImportMap[path]; is {
			path = to
		}
		if all[path] == nil {
			return nil, fmt.Errorf("package %s is imported by nobody yet", path)
		}
		return os.Open(all[path].Export)
	}), Sizes: types.SizesFor("gc", runtime.GOARCH)}
	_, err := c.Check(p.ImportPath, set, files, nil)
	return err
}

func scriptNames(root string) (names []string, err error) {
	for _, pattern := range []string{"tests/*.txtar", "tests/attacks/*.txtar", "tests/images/*.txtar"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			names = append(names, strings.TrimSuffix(filepath.Base(file), ".txtar"))
		}
	}
	return names, nil
}

func (t test) exists(root string, scripts []string) error {
	if t.unit != "" {
		files, err := filepath.Glob(filepath.Join(root, t.unit, "*_test.go"))
		if err == nil && len(files) == 0 {
			err = fmt.Errorf("package %s has no tests", t.unit)
		}
		return err
	}
	whole := regexp.MustCompile("^(" + t.name + ")$")
	for _, name := range scripts {
		if whole.MatchString(name) {
			return nil
		}
	}
	return fmt.Errorf("no script has the name %s", t.name)
}
