package worktree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sandbox/pkg/handle"
)

// TestOwn: what the caller's own configuration names is protected, with or without a repository, and by way of links.
func TestOwn(t *testing.T) {
	dir := shared(t, "hooks/pre-commit scripts/lint cfg/inc=[core]|hookspath=~/p/late/hooks tools/run")
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"p": dir.Path, ".gitconfig": "p/cfg/inc"} {
		if err := os.Symlink(target, filepath.Join(home, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../scripts/lint", filepath.Join(dir.Path, "hooks/commit-msg")); err != nil {
		t.Fatal(err)
	}
	inline := "[core]\nhookspath=" + home + "/p/hooks\neditor=~/p/tools/run --x\n[alias]\nx=!~/p/none\n[core]\npager=~/p/none/yet\n"
	g := Find(dir, Ask{Home: home, Own: []OwnConfig{{Path: filepath.Join(home, ".gitconfig")}, {Data: []byte(inline)}, {Path: filepath.Join(home, "none")}}})
	defer g.Close()
	if got := parts(g.Inside); got != "pin:cfg pin:scripts pin:tools ro:cfg/inc ro:hooks ro:scripts/lint ro:tools/run" {
		t.Errorf("protected %s", got)
	}
	missing := ""
	for _, m := range g.missing {
		missing += m.path + " "
	}
	if !strings.Contains(missing, "late ") || len(g.absent) != 1 || g.absent[0].rel != "none/yet" {
		t.Errorf("missing %s, absent %+v", missing, g.absent)
	}
	in, err := dir.Beneath("hooks")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if g := Find(in, Ask{Home: home, Own: []OwnConfig{{Data: []byte(inline)}}}); g.InGit == "" {
		t.Error("who stands in their own hooks may write there")
	}
}

// TestTops: relative paths begin in each work tree.
func TestTops(t *testing.T) {
	dir := shared(t, repo+".git/config=[core]|hookspath=hk .git/worktrees/w/commondir=../.. .git/worktrees/w/HEAD sub/hk/ w/hk/x hk/x "+
		".git/modules/s/HEAD .git/modules/s/objects/ .git/modules/s/refs/ .git/modules/s/config=[core]|worktree=../../../sub|hookspath=hk")
	if err := os.WriteFile(filepath.Join(dir.Path, ".git/worktrees/w/gitdir"), []byte(dir.Path+"/w/.git\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	g := Find(dir, Ask{})
	defer g.Close()
	got := " " + parts(g.Inside) + " "
	for _, want := range []string{"ro:hk", "ro:sub/hk", "ro:w/hk", "ro:.git/worktrees/w/commondir", "pin:.git/worktrees/w", "ro:.git/modules/s/config"} {
		if !strings.Contains(got, " "+want+" ") {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

// FuzzFollow: whatever a configuration names, nothing outside is protected or hangs.
func FuzzFollow(f *testing.F) {
	for _, text := range configs {
		f.Add([]byte(text))
	}
	f.Add([]byte("[core]\nhookspath=/\n[include]\npath=config\n[filter \"x\"]\nclean=../x/./../y \"a b\" ~/z\n"))
	root := f.TempDir()
	if err := os.MkdirAll(filepath.Join(root, ".git/objects"), 0o755); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(root, ".git/config"), data, 0o600); err != nil {
			t.Skip(err)
		}
		dir, err := handle.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		g := Find(dir, Ask{Home: root, Own: []OwnConfig{{Data: data}}, May: func(*handle.Handle) bool { return false }})
		defer g.Drop()
		for _, p := range g.Inside {
			if p.Rel == "." || strings.HasPrefix(p.Rel, "..") || filepath.IsAbs(p.Rel) {
				t.Errorf("%q protects %s", data, p.Rel)
			}
		}
	})
}
