package tests

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "sandbox"

// rule is one row of the import table in docs/design.md.
type rule struct {
	own   []string          // packages of ours it may import, by their name below pkg/
	libs  []string          // modules of others, besides the standard library and golang.org/x/sys
	tests []string          // the same for its test files alone
	never map[string]string // imports whose refusal has a reason worth printing
}

const (
	cobra   = "github.com/spf13/cobra"
	pflag   = "github.com/spf13/pflag"
	ocispec = "github.com/opencontainers/runtime-spec"
	moby    = "github.com/moby/profiles" // what may be called by default: data, in a module of its own
	unsafe  = "unsafe"
)

// reasons that several rows share.
const (
	whyLeaf     = "it is what everything else stands on; with an import of ours it could not be read or tested alone"
	whySteps    = "it only writes steps; one that could fork or know states would be a second start path"
	whyFlags    = "what was typed is the business of cmd/sandbox; a verb that parses flags cannot be called by a program"
	whyNoSpec   = "it takes values, not a container's description, so that the description stays in one place"
	whyNoVerbs  = "the verbs call it; an arrow back is a cycle of meaning even where Go would allow it"
	whyOnlyVerb = "a command is one call of a verb; one that assembles a start of its own forgets the cleanup the verb has"
)

// table holds every package that exists or will; one that is not in it has no place in the order yet.
var table = map[string]rule{
	"cmd/sandbox": {
		own:  []string{"spec", "image", "lifecycle", "network", "state", "console", "kernel", "handle", "worktree", "outfile", "helper", "printable"},
		libs: []string{cobra, pflag, ocispec},
		never: map[string]string{
			"plan": whyOnlyVerb, "userns": whyOnlyVerb, "rootfs": whyOnlyVerb, "confine": whyOnlyVerb, "cgroup2": whyOnlyVerb,
		},
	},
	"pkg/spec": {
		own:  []string{"idmap", "kernel", "proc", "handle", "worktree", "outfile", "printable"}, // kernel: names and lists in the kernel's notation, which steps need too
		libs: []string{ocispec, moby},
		never: map[string]string{
			"userns":    "a description that acts cannot be printed, compared or fuzzed without privileges",
			"lifecycle": "a description that acts cannot be printed, compared or fuzzed without privileges",
		},
	},
	"cmd/sandbox-image": { // whatever writes the store of images or speaks to a registry; a program of its own, so that no start pays for it
		own:  []string{"image", "idmap", "userns", "kernel", "helper", "printable", "handle", "outfile"},
		libs: []string{cobra, "go.podman.io/storage", "go.podman.io/common", "github.com/google/go-containerregistry", "github.com/opencontainers/go-digest", "github.com/vbauerster/mpb", "github.com/sirupsen/logrus"},
		never: map[string]string{
			"lifecycle": "an image is in the store before there is a container",
			"cgroup2":   "an image is in the store before there is a container",
			"network":   "pulling uses the caller's network; the container's does not exist yet",
		},
	},
	"pkg/image": { // which layers an image is: what a start can afford to link
		own:  []string{"handle", "proc"},
		libs: []string{"github.com/pelletier/go-toml/v2"}, tests: []string{"go.podman.io/storage"}, // to compare with
		never: map[string]string{
			"lifecycle":                              "an image is found before there is a container",
			"go.podman.io/storage":                   "it costs every start a millisecond; sandbox-image has it",
			"github.com/google/go-containerregistry": "it costs every start a millisecond; sandbox-image has it",
		},
	},
	"pkg/lifecycle": {
		own:  []string{"spec", "idmap", "userns", "plan", "rootfs", "confine", "seccomp", "cgroup2", "slirp", "netdev", "resctrl", "console", "kernel", "proc", "handle", "worktree", "outfile", "helper", "state", "world", "network", "interrupt"},
		libs: []string{ocispec},
		never: map[string]string{
			cobra:   whyFlags,
			pflag:   whyFlags,
			"image": "a start needs a directory, wherever it came from; the storage libraries cost start-up time and are optional",
		},
	},
	// What is written down has the types of those who wrote it: a placement, a filter, a contract.
	"pkg/state": {
		own:   []string{"spec", "proc", "kernel", "handle", "cgroup2", "resctrl", "seccomp", "worktree"},
		libs:  []string{ocispec},
		never: map[string]string{"userns": "a record that acts could not be read by whoever only looks", "lifecycle": whyNoVerbs},
	},
	// It starts processes that serve a container from outside, each with a plan of its own.
	"pkg/network": {
		own:   []string{"slirp", "helper", "state", "proc", "handle", "plan", "world", "confine", "seccomp", "userns", "kernel", "idmap", "interrupt"},
		libs:  []string{ocispec},
		never: map[string]string{"lifecycle": whyNoVerbs, "rootfs": "what it shows is a mount of the spec's, made as every other"},
	},
	// spec: where the file of a sysctl is.
	"pkg/world":     {own: []string{"plan", "kernel", "proc", "handle", "idmap", "spec"}, libs: []string{ocispec}, never: map[string]string{"userns": whySteps, "lifecycle": whySteps}},
	"pkg/proc":      {never: map[string]string{"kernel": whyLeaf, "userns": whyLeaf}},
	"pkg/idmap":     {own: []string{"helper", "proc", "interrupt", "printable"}},
	"pkg/plan":      {own: []string{"printable"}},
	"pkg/printable": {},                      // whatever is said
	"pkg/interrupt": {},                      // whoever waits: what a signal ends
	"pkg/handle":    {own: []string{"proc"}}, // what could not be opened because too much was
	"pkg/helper":    {own: []string{"proc"}, never: map[string]string{"kernel": whyLeaf}},
	"pkg/outfile":   {own: []string{"proc"}}, // whoever writes a file at a path that was typed
	// It only looks until a command has ended, and then renames; what is mounted for it, spec says and rootfs does.
	"pkg/worktree": {own: []string{"handle", "printable"}, never: map[string]string{"lifecycle": whyNoVerbs, "rootfs": whySteps}},
	"pkg/userns":   {own: []string{"plan", "idmap", "proc", "interrupt", "printable"}, never: map[string]string{"spec": "the executor runs any plan; " + whyNoSpec, "lifecycle": whyNoVerbs}},
	"pkg/rootfs":   {own: []string{"plan", "kernel", "handle"}, libs: []string{ocispec}, never: map[string]string{"userns": whySteps, "lifecycle": whySteps}},
	"pkg/confine":  {own: []string{"plan", "kernel"}, libs: []string{ocispec}, never: map[string]string{"userns": whySteps, "lifecycle": whySteps}},
	"pkg/seccomp":  {own: []string{"plan", "kernel"}, libs: []string{ocispec}, never: map[string]string{"userns": whySteps, "lifecycle": whySteps}},
	"pkg/cgroup2":  {own: []string{"proc"}, libs: []string{ocispec, "github.com/godbus/dbus"}, never: map[string]string{"lifecycle": whyNoVerbs, "spec": whyNoSpec}},
	"pkg/slirp":    {own: []string{"helper", "proc", "printable"}, libs: []string{ocispec, "github.com/rootless-containers/rootlesskit"}, never: map[string]string{"lifecycle": whyNoVerbs, "spec": whyNoSpec}},
	// Moving a device is no network of the container's own (slirp), and nobody else should have to link its library.
	"pkg/netdev":  {never: map[string]string{"lifecycle": whyNoVerbs, "spec": whyNoSpec}},
	"pkg/resctrl": {libs: []string{ocispec}, never: map[string]string{"lifecycle": whyNoVerbs, "spec": whyNoSpec}},
	"pkg/console": {own: []string{"outfile", "proc"}, libs: []string{ocispec}, never: map[string]string{"lifecycle": whyNoVerbs, "spec": whyNoSpec}},
	"pkg/kernel":  {own: []string{"helper", "proc", "printable"}, libs: []string{ocispec}, never: map[string]string{"lifecycle": whyNoVerbs, "spec": whyNoSpec}},
	// A bench that linked our code would measure itself; the scripts test what is shipped.
	"hack":  {libs: []string{moby, ocispec, "github.com/rogpeppe/go-internal"}},
	"tests": {libs: []string{"github.com/rogpeppe/go-internal"}},
}

// TestImports fails when an arrow runs the wrong way.
func TestImports(t *testing.T) {
	found, err := violations(sources(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Error(v)
	}
}

// sources is the module's tree: the parent of this directory, or SANDBOX_SRC where only test binaries were copied to.
func sources(t *testing.T) fs.FS {
	t.Helper()
	dir := ".."
	if env := os.Getenv("SANDBOX_SRC"); env != "" {
		dir = env
	}
	m := newMachine()
	m.probes["sources"] = func() error {
		data, err := os.ReadFile(dir + "/go.mod")
		if err == nil && !strings.HasPrefix(string(data), "module "+module+"\n") {
			err = fmt.Errorf("%s is the module of something else", dir)
		}
		return err
	}
	m.skipUnless(t, "sources")
	return os.DirFS(dir)
}

// violations reads the imports of every Go file below cmd, pkg, hack and tests.
func violations(tree fs.FS) ([]string, error) {
	var found []string
	raw := make(map[string][]string) // which files of a package import unsafe
	for _, top := range []string{"cmd", "pkg", "hack", "tests"} {
		err := fs.WalkDir(tree, top, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") {
				return err
			}
			imports, err := importsOf(tree, name)
			if err != nil {
				return err
			}
			if slices.Contains(imports, unsafe) {
				raw[packageOf(name)] = append(raw[packageOf(name)], name)
			}
			found = append(found, judge(name, imports)...)
			return nil
		})
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
	}
	// One file each, so that whoever audits memory that is given away reads one file.
	for _, pkg := range slices.Sorted(maps.Keys(raw)) {
		if files := raw[pkg]; len(files) > 1 {
			found = append(found, fmt.Sprintf("%s imports unsafe in %d files (%s); all of it belongs into one", pkg, len(files), strings.Join(files, ", ")))
		}
	}
	return found, nil
}

func importsOf(tree fs.FS, name string) ([]string, error) {
	src, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var imports []string
	for _, spec := range file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		imports = append(imports, p)
	}
	return imports, nil
}

// packageOf is the row of the table a file belongs to: a package's sub-packages share its place in the order.
func packageOf(name string) string {
	parts := strings.Split(path.Dir(name), "/")
	if parts[0] == "cmd" || parts[0] == "pkg" {
		return strings.Join(parts[:min(2, len(parts))], "/")
	}
	return parts[0]
}

func judge(name string, imports []string) []string {
	pkg := packageOf(name)
	row, ok := table[pkg]
	if !ok {
		return []string{fmt.Sprintf("%s: package %s is not in the import table; add a row and say what its one sentence is", name, pkg)}
	}
	var found []string
	for _, imp := range imports {
		if why := row.refuses(pkg, imp, strings.HasSuffix(name, "_test.go")); why != "" {
			found = append(found, fmt.Sprintf("%s imports %q: %s", name, imp, why))
		}
	}
	return found
}

// refuses says why a package may not import something, "" when it may.
func (r rule) refuses(pkg, imp string, test bool) string {
	switch {
	case imp == "C":
		return "the binary is pure Go (CGO_ENABLED=0): a C constructor is what the plan replaces"
	case imp == unsafe && pkg != "pkg/userns" && pkg != "pkg/cgroup2": // bpf(2) has no other way in
		return "unsafe code lives in one file of pkg/userns, where its rules (no allocation, no moving memory) are written down"
	case imp == module || strings.HasPrefix(imp, module+"/"):
		return r.refusesOwn(pkg, strings.TrimPrefix(imp, module+"/"), test)
	case !strings.Contains(strings.SplitN(imp, "/", 2)[0], "."):
		return "" // the standard library
	case imp == "golang.org/x/sys" || strings.HasPrefix(imp, "golang.org/x/sys/"):
		return ""
	}
	libs := r.libs
	if test {
		libs = slices.Concat(libs, r.tests)
	}
	for _, lib := range libs {
		if imp == lib || strings.HasPrefix(imp, lib+"/") {
			return ""
		}
	}
	for lib, why := range r.never {
		if imp == lib || strings.HasPrefix(imp, lib+"/") {
			return why
		}
	}
	return "a dependency its row in the table does not have; every dependency is justified there first"
}

// refusesOwn leaves test files alone: the order is about what is built, and a test of userns may well run a plan that
// rootfs wrote. What no test may do is bring a cycle, and that the compiler sees.
func (r rule) refusesOwn(pkg, imp string, test bool) string {
	to := packageOf(imp + "/x.go")
	name := strings.TrimPrefix(to, "pkg/")
	if test || to == pkg || slices.Contains(r.own, name) {
		return ""
	}
	if why, ok := r.never[name]; ok {
		return why
	}
	if len(r.own) == 0 {
		return whyLeaf
	}
	return fmt.Sprintf("its row in the table allows only %s", strings.Join(r.own, ", "))
}

// TestViolations shows each rule failing, for a table that is never wrong may simply never be read.
func TestViolations(t *testing.T) {
	for _, tt := range []struct{ file, imports, want string }{
		{"cmd/sandbox/run.go", `"sandbox/pkg/lifecycle"; "github.com/spf13/cobra"; "os"`, ""},
		{"cmd/sandbox/run.go", `"sandbox/pkg/plan"`, whyOnlyVerb},
		{"cmd/sandbox/run.go", `"sandbox/pkg/userns"`, whyOnlyVerb},
		{"cmd/sandbox/run.go", `"sandbox/pkg/rootfs"`, whyOnlyVerb},
		{"cmd/sandbox/run.go", `"sandbox/pkg/confine"`, whyOnlyVerb},
		{"cmd/sandbox/run.go", `"sandbox/pkg/cgroup2/dbus"`, whyOnlyVerb},
		{"cmd/sandbox/run.go", `"sandbox/pkg/slirp"`, "allows only"},
		{"pkg/plan/a.go", `"sandbox/pkg/idmap"`, "allows only"},
		{"pkg/idmap/a.go", `"sandbox/pkg/kernel"`, "allows only"},
		{"pkg/idmap/a.go", `"sandbox/pkg/helper"`, ""},
		{"pkg/helper/a.go", `"sandbox/pkg/kernel"`, whyLeaf},
		{"pkg/idmap/a.go", `"golang.org/x/sys/unix"; "errors"`, ""},
		{"pkg/userns/a.go", `"sandbox/pkg/plan"; "sandbox/pkg/idmap"; "unsafe"`, ""},
		{"pkg/userns/a.go", `"sandbox/pkg/spec"`, whyNoSpec},
		{"pkg/userns/a_test.go", `"sandbox/pkg/rootfs"`, ""},
		{"pkg/rootfs/a.go", `"sandbox/pkg/userns"`, whySteps},
		{"pkg/confine/a.go", `"sandbox/pkg/lifecycle"`, whySteps},
		{"pkg/seccomp/a.go", `"sandbox/pkg/userns"`, whySteps},
		{"pkg/seccomp/a.go", `"unsafe"`, "one file of pkg/userns"},
		{"pkg/seccomp/a_test.go", `"unsafe"`, "one file of pkg/userns"},
		{"pkg/rootfs/a.go", `"C"`, "pure Go"},
		{"pkg/rootfs/a_test.go", `"C"`, "pure Go"},
		{"pkg/lifecycle/a.go", `"github.com/spf13/cobra"`, whyFlags},
		{"pkg/image/a.go", `"go.podman.io/storage/pkg/lockfile"`, "a millisecond"},
		{"pkg/image/a_test.go", `"go.podman.io/storage/pkg/lockfile"`, ""},
		{"pkg/lifecycle/a.go", `"sandbox/pkg/image"`, "wherever it came from"},
		{"pkg/lifecycle/a.go", `"sandbox/pkg/spec"; "sandbox/pkg/userns"`, ""},
		{"pkg/console/a.go", `"sandbox/pkg/lifecycle"`, whyNoVerbs},
		{"pkg/kernel/a.go", `"github.com/stretchr/testify"`, "justified"},
		{"pkg/utils/a.go", `"os"`, "not in the import table"},
		{"hack/timeit/main.go", `"sandbox/pkg/plan"`, whyLeaf},
	} {
		src := "package p\nimport (" + strings.ReplaceAll(tt.imports, ";", "\n") + ")\n"
		got, err := violations(fstest.MapFS{tt.file: {Data: []byte(src)}})
		if err != nil {
			t.Fatalf("%s: %v", tt.file, err)
		}
		if text := strings.Join(got, "\n"); (tt.want == "") != (text == "") || !strings.Contains(text, tt.want) {
			t.Errorf("%s importing %s: %q, want %q", tt.file, tt.imports, text, tt.want)
		}
	}
	two := fstest.MapFS{
		"pkg/userns/a.go": {Data: []byte("package userns\nimport _ \"unsafe\"\n")},
		"pkg/userns/b.go": {Data: []byte("package userns\nimport _ \"unsafe\"\n")},
	}
	if got, err := violations(two); err != nil || len(got) != 1 {
		t.Errorf("unsafe in two files: %q, %v", got, err)
	}
}
