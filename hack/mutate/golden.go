package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// goldenTests are those tests of a package that write their files anew with -update, by themselves or by a function of theirs.
func goldenTests(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	uses := map[string]map[string]bool{} // function: all names in it
	set := token.NewFileSet()
	for _, file := range files {
		f, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			if fn, is := d.(*ast.FuncDecl); is && fn.Recv == nil {
				uses[fn.Name.Name] = namesIn(fn)
			}
		}
	}
	var golden []string
	for name := range uses {
		if strings.HasPrefix(name, "Test") && reaches(uses, name, map[string]bool{}) {
			golden = append(golden, name)
		}
	}
	return golden, nil
}

func namesIn(fn *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StarExpr: // *update
			if id, is := n.X.(*ast.Ident); is && id.Name == "update" {
				names["*update"] = true
			}
		case *ast.CallExpr:
			if id, is := n.Fun.(*ast.Ident); is {
				names[id.Name] = true
			}
		}
		return true
	})
	return names
}

func reaches(uses map[string]map[string]bool, name string, seen map[string]bool) bool {
	if seen[name] {
		return false
	}
	seen[name] = true
	if uses[name]["*update"] {
		return true
	}
	for called := range uses[name] {
		if uses[called] != nil && reaches(uses, called, seen) {
			return true
		}
	}
	return false
}
