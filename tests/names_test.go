package tests

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// byName are the calls that look at a file by its name, or change it. What is decided by one of them and used by another
// falls: somebody exchanges the name in between. A path that matters is opened by pkg/handle, and used by its descriptor.
var byName = map[string][]string{
	"os": {"Open", "OpenFile", "Create", "ReadFile", "WriteFile", "Stat", "Lstat", "Readlink", "ReadDir", "Mkdir", "MkdirAll", "MkdirTemp", "Remove", "RemoveAll", "Rename",
		"Symlink", "Link", "Chmod", "Chown", "Lchown", "Truncate", "Chdir", "Getwd", "CopyFS", "DirFS"},
	"unix": {"Open", "Stat", "Lstat", "Statfs", "Access", "Readlink", "Mkdir", "Mkfifo", "Mknod", "Unlink", "Rmdir", "Rename", "Symlink", "Link", "Chmod", "Chown", "Lchown", "Truncate", "Chdir",
		"Chroot", "Mount", "Unmount", "PivotRoot", "Getxattr", "Setxattr"},
	"filepath": {"EvalSymlinks", "Walk", "WalkDir", "Glob"},
	"exec":     {"LookPath"},
	"handle":   {"Open", "OpenLink"},
	"p":        {"Open", "Chdir", "CloneLink", "Propagation"}, // steps of a plan
	"b":        {"kind"},                                      // of the builder of pkg/spec
}

// fromCwd are steps of a plan that begin at a descriptor, and look at a name where that is the working directory.
var fromCwd = []string{"OpenAt", "CloneTree"}

// reasons why a file may call them, by file or by package: whose names they are.
const (
	ofKernel  = "files of /proc, /sys and cgroups, which nobody can rename"
	ofGroups  = "cgroups and resctrl groups, whose directories nobody can rename"
	ofEtc     = "files of root's in /etc"
	ofState   = "the runtime directory, before it is ours to hold; what is found is checked by its descriptor"
	ofHandles = "it is how names become descriptors; what is found is judged by the descriptor"
	ofRoot    = "programs in directories that only root can write; that is what it looks at"
	ofOnce    = "opened once, and used as it was opened"
	ofNode    = "/dev, and what is in it is judged by its device number"
	ofTold    = "only to be told: nothing is decided by it"
	ofHost    = "what the host is like: which of root's directories there are; what is shared goes through a handle"
	ofForm    = "which form of the command was typed; the file is judged when it is read"
	ofSame    = "the child opens it, and goes on only if it is the file that was opened before it was forked (Same); or any place does, which the pivot takes away"
	ofInside  = "a name in the container's own tree, where all names are its payload's"
	ofCompare = "what is found is compared by device and inode with what was seen before"
	ofItself  = "/proc/self/fd/N, which is the descriptor"
	ofDoors   = "sockets that the kernel lists by name; one that is renamed is known by its new name to nobody (docs/security.md). What is typed lies in directories that cannot be renamed"
	ofFlag    = "whether SELinux is there: a file of the kernel's"
	ofStore   = "the caller's store of images, which is shared with no command (docs/images.md); what its files say of names is checked"
	ofConfig  = "configuration of root's and in the caller's home"
	ofPull    = "what was typed for a program that runs no command; it is opened once"
	ofHome    = "the caller's home, by the user database; what lies in it is judged when it is opened"
	ofOwn     = "the helper's own directory, in which it stands"
)

var named = map[string]string{
	"pkg/image": ofStore, "pkg/image/conf.go": ofConfig, "pkg/image/registries.go": ofConfig, "pkg/lifecycle/layer.go": ofStore, "pkg/lifecycle/abandoned.go": ofStore,
	"cmd/sandbox-image": ofPull, "cmd/sandbox-image/inside.go": ofKernel, "cmd/sandbox-image/registry.go": ofConfig, "cmd/sandbox-image/policy.go": ofConfig,
	"cmd/sandbox/exec.go": ofOnce, "cmd/sandbox/foreground.go": ofNode, "cmd/sandbox/plan.go": ofNode, "cmd/sandbox/run.go": ofForm, "cmd/sandbox/sealed.go": ofKernel, "cmd/sandbox/update.go": ofOnce,
	"pkg/cgroup2": ofGroups, "pkg/resctrl": ofGroups, "pkg/kernel": ofKernel, "pkg/kernel/runtimedir.go": ofState,
	"pkg/confine": ofInside, "pkg/console/dial.go": ofOnce, "pkg/console/peer.go": ofKernel,
	"pkg/handle": ofHandles, "pkg/helper": ofRoot, "pkg/idmap": ofRoot, "pkg/outfile": ofHandles,
	"pkg/lifecycle/apart.go": ofKernel, "pkg/lifecycle/create.go": ofNode, "pkg/lifecycle/guards.go": ofHome, "pkg/lifecycle/hooks.go": ofSame, "pkg/world/terminal.go": ofInside, "pkg/world/enter.go": ofKernel, "pkg/lifecycle/execgroup.go": ofGroups, "pkg/lifecycle/labels.go": ofKernel, "pkg/world/namespaces.go": ofOnce,
	"pkg/lifecycle/netdevices.go": ofKernel, "pkg/network/helper.go": ofNode, "pkg/network/place.go": ofTold, "pkg/network/ask.go": ofKernel, "pkg/network/spawn.go": ofKernel,
	"pkg/network/network.go": ofKernel, "pkg/lifecycle/notify.go": ofOnce, "pkg/lifecycle/owners.go": ofKernel, "pkg/state/group.go": ofState, "pkg/lifecycle/ps.go": ofKernel,
	"pkg/lifecycle/seccomp.go": ofTold, "pkg/state/root.go": ofState, "pkg/lifecycle/visible.go": ofKernel,
	"pkg/netdev": ofKernel, "pkg/proc": ofKernel, "pkg/rootfs": ofSame, "pkg/rootfs/create.go": ofKernel, "pkg/rootfs/devices.go": ofNode, "pkg/rootfs/hostnode.go": ofNode, "pkg/rootfs/links.go": ofTold, "pkg/rootfs/mask.go": ofDoors,
	"pkg/userns/await.go": ofKernel, "pkg/slirp": ofOwn, "pkg/slirp/mode.go": ofKernel, "pkg/slirp/needs.go": ofNode, "pkg/slirp/reserve.go": ofKernel, "pkg/slirp/resolver.go": ofEtc, "pkg/slirp/route.go": ofKernel,
	"pkg/worktree": ofCompare, "pkg/worktree/check.go": ofItself, "pkg/worktree/closed.go": ofItself, "pkg/spec/validate.go": ofItself, "pkg/spec/load.go": ofOnce, "pkg/spec/cameby.go": ofKernel, "pkg/spec/doors.go": ofDoors, "pkg/spec/host.go": ofHost, "pkg/spec/masks.go": ofKernel, "pkg/spec/namespaces.go": ofKernel, "pkg/spec/nested.go": ofNode, "pkg/spec/readfile.go": ofOnce, "pkg/spec/resources.go": ofNode,
	"pkg/spec/rootfs.go": ofEtc, "pkg/spec/tree.go": ofEtc, "pkg/spec/typed.go": ofTold, "pkg/spec/security.go": ofFlag, "pkg/spec/volume.go": ofFlag, "pkg/spec/workdir.go": ofInside,
}

// TestNames fails for a call that names a file where nobody has said why that is right, and for a reason that is needed no more.
func TestNames(t *testing.T) {
	used := map[string]bool{}
	for name, calls := range callsByName(t, sources(t)) {
		why := ""
		for _, place := range []string{name, name[:strings.LastIndexByte(name, '/')]} {
			if named[place] != "" {
				why, used[place] = named[place], true
				break
			}
		}
		if why == "" {
			t.Errorf("%s: %s: open it by pkg/handle and decide by the descriptor, or say in tests/names_test.go why a name is right", name, strings.Join(calls, " "))
		}
	}
	for place := range named {
		if !used[place] {
			t.Errorf("%s names no files any more: take it out of tests/names_test.go", place)
		}
	}
}

// callsByName lists them by file.
func callsByName(t *testing.T, tree fs.FS) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, top := range []string{"cmd", "pkg"} {
		err := fs.WalkDir(tree, top, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			src, err := fs.ReadFile(tree, name)
			if err != nil {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, src, 0)
			if err != nil {
				return err
			}
			calls := map[string]bool{}
			ast.Inspect(file, func(n ast.Node) bool {
				if c, ok := n.(*ast.CallExpr); ok && len(c.Args) > 0 {
					step, _ := c.Fun.(*ast.SelectorExpr)
					from, _ := c.Args[0].(*ast.CallExpr)
					if step != nil && types.ExprString(c.Args[0]) == "unix.AT_FDCWD" {
						calls[types.ExprString(step)] = true
					}
					if step != nil && slices.Contains(fromCwd, step.Sel.Name) && from != nil && types.ExprString(from) == "plan.Cwd()" {
						calls["p."+step.Sel.Name] = true
					}
				}
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && slices.Contains(byName[x.Name], s.Sel.Name) {
						calls[x.Name+"."+s.Sel.Name] = true
					}
				}
				return true
			})
			if len(calls) > 0 {
				found[name] = slices.Sorted(maps.Keys(calls))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func TestNamesFindsCalls(t *testing.T) {
	tree := fstest.MapFS{
		"cmd/x/a.go": {Data: []byte("package x\nimport \"os\"\nvar f = os.Stat\nfunc g() { os.Open(\"x\") }\n")},
		"pkg/y/c.go": {Data: []byte("package y\nfunc g() { p.OpenAt(plan.Cwd(), name); p.CloneTree(plan.R(fd), name); p.Chdir(name); unix.Openat(unix.AT_FDCWD, name, 0, 0) }\n")},
		"pkg/y/b.go": {Data: []byte("package y\nimport \"golang.org/x/sys/unix\"\nfunc g() { unix.Openat(0, \"x\", 0, 0); unix.Fstat(0, nil) }\n")},
	}
	found := callsByName(t, tree)
	if len(found) != 2 || strings.Join(found["pkg/y/c.go"], " ") != "p.Chdir p.OpenAt unix.Openat" || strings.Join(found["cmd/x/a.go"], " ") != "os.Open os.Stat" {
		t.Errorf("got %v", found)
	}
}
