package worktree

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// shared makes a directory with files, from lines "path", "path/" and "path -> target" and "path = content".
func shared(t *testing.T, lines string) *handle.Handle {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.FieldsSeq(lines) {
		link, target, isLink := strings.Cut(line, "->")
		name, content, _ := strings.Cut(link, "=")
		path := filepath.Join(root, name)
		switch {
		case isLink:
			err = os.Symlink(target, path)
		case strings.HasSuffix(line, "/"):
			err = os.MkdirAll(path, 0o755)
		default:
			if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
				err = os.WriteFile(path, []byte(strings.NewReplacer("|", "\n", "_", " ").Replace(content)), 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := handle.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dir.Close)
	return dir
}

// parts prints what is mounted: "ro" and "pin" with the path.
func parts(list []Part) string {
	var words []string
	for _, p := range list {
		kind := "pin:"
		if p.ReadOnly {
			kind = "ro:"
		}
		words = append(words, kind+p.Rel)
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

const repo = ".git/HEAD .git/objects/ .git/refs/ .git/hooks/ "

func TestFind(t *testing.T) {
	for name, tt := range map[string]struct{ tree, want string }{
		"nothing":           {"a b/c", ""},
		"a repository":      {repo + ".git/config=[core]", "pin:.git ro:.git/config ro:.git/hooks"},
		"projects":          {".vscode/ .envrc .gitmodules x", "ro:.envrc ro:.gitmodules ro:.vscode"},
		"hooks path":        {repo + ".githooks/x .git/config=[core]|hookspath=.githooks", "pin:.git ro:.git/config ro:.git/hooks ro:.githooks"},
		"husky":             {repo + ".husky/_/h .git/config=[core]|hookspath=.husky/_", "pin:.git ro:.git/config ro:.git/hooks ro:.husky"},
		"deep hooks":        {repo + "a/b/hooks/x .git/config=[core]|hookspath=a/b/hooks", "pin:.git pin:a pin:a/b ro:.git/config ro:.git/hooks ro:a/b/hooks"},
		"include":           {repo + "one=[include]|path=two two=[core]|hookspath=h h/x .git/config=[include]|path=../one", "pin:.git ro:.git/config ro:.git/hooks ro:h ro:one ro:two"},
		"a program":         {repo + "t/f .git/config=[filter_\"f\"]|clean=t/f_-x", "pin:.git pin:t ro:.git/config ro:.git/hooks ro:t/f"},
		"a submodule":       {repo + ".git/modules/a/b/HEAD .git/modules/a/b/objects/ .git/modules/a/b/refs/ .git/modules/a/b/config", "pin:.git pin:.git/modules pin:.git/modules/a pin:.git/modules/a/b ro:.git/hooks ro:.git/modules/a/b/config"},
		"others' work":      {repo + ".git/worktrees/w/gitdir=/nowhere/.git", "pin:.git pin:.git/worktrees ro:.git/hooks ro:.git/worktrees/w"},
		"nested":            {"sub/.git/HEAD sub/.git/objects/ sub/.git/refs/ sub/.git/config", "pin:sub pin:sub/.git ro:sub/.git/config"},
		"a file .git":       {"sub/.git=gitdir:_../x", "pin:sub ro:sub/.git"},
		"bare":              {"HEAD objects/ refs/ config hooks/", "ro:config ro:hooks"},
		"a bare one beside": {".bare/HEAD .bare/objects/ .bare/refs/ .bare/config .git=gitdir:_./.bare", "pin:.bare ro:.bare/config ro:.git"},
		"a link":            {"real/x .vscode->real", "ro:real"},
		"a link out":        {".vscode->/etc", ""},
		"hooks elsewhere":   {repo + ".git/config=[core]|hookspath=/usr/share/hooks", "pin:.git ro:.git/config ro:.git/hooks"},
		"hooks upwards":     {repo + ".git/config=[core]|hookspath=../..", "pin:.git ro:.git/config ro:.git/hooks"},
		"a fifo's place":    {".envrc/", "ro:.envrc"},
	} {
		dir := shared(t, tt.tree)
		g := Find(dir, Ask{})
		if got := parts(g.Inside); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		g.Close()
	}
}

func TestFindExcept(t *testing.T) {
	dir := shared(t, repo+".git/config .vscode/x own")
	g := Find(dir, Ask{Except: []string{filepath.Join(dir.Path, ".git/config"), filepath.Join(dir.Path, ".vscode")}, Protect: []string{filepath.Join(dir.Path, "own"), "/elsewhere"}})
	defer g.Close()
	if got := parts(g.Inside); got != "pin:.git ro:.git/hooks ro:own" {
		t.Errorf("got %s", got)
	}
	none := Find(dir, Ask{None: true})
	defer none.Close()
	if got := parts(none.Inside); got != "pin:.git" || len(none.Check()) > 0 || none.Note() != nil {
		t.Errorf("with --no-protect=all: %s", got)
	}
}

// TestOtherNames: what is read-only by one name can be written by another, which is told.
func TestOtherNames(t *testing.T) {
	dir := shared(t, repo+".git/config .envrc")
	for from, to := range map[string]string{".git/config": "second", ".envrc": "third"} {
		if err := os.Link(filepath.Join(dir.Path, from), filepath.Join(dir.Path, to)); err != nil {
			t.Fatal(err)
		}
	}
	g := Find(dir, Ask{})
	defer g.Close()
	if got := slices.Sorted(slices.Values(g.Linked)); !slices.Equal(got, []string{".envrc", ".git/config"}) {
		t.Errorf("told are %v", got)
	}
}

// TestTree finds the whole of a work tree, and what must not be shown stays where it is.
func TestTree(t *testing.T) {
	dir := shared(t, repo+".git/config sub/dir/x")
	sub, err := dir.Beneath("sub/dir")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	g := Find(sub, Ask{})
	defer g.Close()
	if g.Tree == nil || g.Tree.Path != dir.Path || len(g.GitDirs) != 1 || g.GitDirs[0].Path != dir.Path+"/.git" || parts(g.GitDirs[0].Parts) != "ro:config ro:hooks" {
		t.Fatalf("got %+v %+v", g.Tree, g.GitDirs)
	}
	may := Find(sub, Ask{May: func(h *handle.Handle) bool { return h.ID != dir.ID }})
	defer may.Close()
	if may.Tree != nil || len(may.GitDirs) > 0 {
		t.Error("a directory that may not be shown is")
	}
	in, err := dir.Beneath(".git/hooks")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if g := Find(in, Ask{}); g.InGit != dir.Path+"/.git" {
		t.Errorf("in a git directory: %q", g.InGit)
	}
}

// TestLinked follows a .git file only where what it names says the same.
func TestLinked(t *testing.T) {
	base := shared(t, "main/.git/HEAD main/.git/objects/ main/.git/refs/ main/.git/config main/.git/worktrees/w/commondir=../.. w/x liar/x")
	write := func(path, text string) {
		if err := os.WriteFile(filepath.Join(base.Path, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, top := range []string{"w", "liar"} {
		write(top+"/.git", "gitdir: "+base.Path+"/main/.git/worktrees/w\n")
	}
	write("main/.git/worktrees/w/gitdir", base.Path+"/w/.git\n")
	for top, want := range map[string]int{"w": 1, "liar": 0} {
		dir, err := base.Beneath(top)
		if err != nil {
			t.Fatal(err)
		}
		g := Find(dir, Ask{})
		if len(g.GitDirs) != want {
			t.Errorf("%s: %d git directories are shown, want %d", top, len(g.GitDirs), want)
		}
		if want == 1 {
			if got := parts(g.GitDirs[0].Parts); got != "pin:worktrees pin:worktrees/w ro:config ro:worktrees/w/commondir ro:worktrees/w/gitdir" {
				t.Errorf("%s: %s", top, got)
			}
		}
		g.Close()
		dir.Close()
	}
}

// TestPass: what is made right after it is newer than the guard, and what was made right before is not.
func TestPass(t *testing.T) {
	dir := shared(t, "x")
	for i := range 300 {
		before, after := filepath.Join(dir.Path, "before"), filepath.Join(dir.Path, "after")
		for _, path := range []string{before, after} {
			_ = os.Remove(path)
		}
		if err := os.Mkdir(before, 0o755); err != nil {
			t.Fatal(err)
		}
		g := Find(dir, Ask{})
		g.Pass()
		if err := os.Mkdir(after, 0o755); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]bool{before: false, after: true} {
			var st unix.Statx_t
			if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BTIME, &st); err != nil || st.Mask&unix.STATX_BTIME == 0 {
				t.Skip("no birth times here", err)
			}
			if g.during(st.Btime) != want {
				t.Fatalf("round %d: %s is %v and the guard %v", i, path, st.Btime, g.since)
			}
		}
		g.Close()
	}
}

// TestCheck moves aside what came into being, follows no link, and leaves the rest.
func TestCheck(t *testing.T) {
	dir := shared(t, repo+".git/config old/.git/HEAD old/.git/objects/ old/.git/refs/ old/.git/config=[core]|bare=false .idea->nowhere")
	g := Find(dir, Ask{})
	defer g.Close()
	note := g.Note()
	g.Pass()
	path := func(name string) string { return filepath.Join(dir.Path, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(path(".git/commondir"), []byte("x"), 0o644))
	must(os.Symlink("/etc", path(".git/config.worktree")))
	must(os.MkdirAll(path("a/b/.git"), 0o755))
	must(os.MkdirAll(path(".vscode.moved-by-sandbox"), 0o755))
	must(os.Mkdir(path(".vscode"), 0o755))
	must(os.Remove(path(".idea")))
	must(os.Symlink("elsewhere", path(".idea")))
	must(unix.Mkfifo(path(".envrc"), 0o600))
	told := strings.Join(g.Check(), "\n")
	for _, name := range []string{".git/commondir", ".git/config.worktree", "a/b/.git", ".vscode", ".idea", ".envrc"} {
		if _, err := os.Lstat(path(name)); err == nil || !strings.Contains(told, name+" ") {
			t.Errorf("%s is still there, or was not told:\n%s", name, told)
		}
	}
	for _, name := range []string{"old/.git/config", ".git/config", ".vscode.moved-by-sandbox-1", ".idea.moved-by-sandbox", "a/b/.git.moved-by-sandbox", "/etc/passwd"} {
		if !strings.HasPrefix(name, "/") {
			name = path(name)
		}
		if _, err := os.Lstat(name); err != nil {
			t.Error(err)
		}
	}
	if again := g.Check(); len(again) > 0 {
		t.Errorf("told twice: %q", again)
	}
	// The same from what was written down.
	must(os.WriteFile(path(".git/commondir"), []byte("x"), 0o644))
	later, err := note.Open("")
	must(err)
	if told := later.Check(); len(told) != 1 || !strings.Contains(told[0], ".git/commondir was not there before") {
		t.Errorf("from the note: %q", told)
	}
	later.Close()
	for _, bad := range []Note{{"dir 1 2 " + dir.Path}, {"dir x 2 /"}, {"dir"}, {}, {"since 1 2 "}, {"link 0 99 x"}} {
		if g, err := bad.Open(""); err == nil {
			t.Errorf("%q was taken: %+v", bad, g)
		}
	}
}

// TestNumberAgain: a file that has the number of one that is gone is another. Where file systems give numbers out again at
// once, as ext4 with a journal does, this is what a replaced file looks like.
func TestNumberAgain(t *testing.T) {
	dir, err := handle.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	path := filepath.Join(dir.Path, ".envrc")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	g := Find(dir, Ask{})
	defer g.Close()
	g.Pass()
	if told := g.Check(); len(told) > 0 {
		t.Fatalf("told of nothing: %q", told)
	}
	err = errors.Join(os.Remove(path), os.WriteFile(path, []byte("evil"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	g.fixed[0].id = handle.ID{Dev: st.Dev, Ino: st.Ino}
	if told := g.Check(); len(told) != 1 || !strings.Contains(told[0], ".envrc was replaced") {
		t.Errorf("told %q", told)
	}
}

// FuzzDotGit: whatever a .git file says, nothing outside is shown for it.
func FuzzDotGit(f *testing.F) {
	for _, text := range []string{"gitdir: /etc\n", "gitdir: ../..", "gitdir: ", "gitdir: \x00", "x", "gitdir: " + strings.Repeat("a/", 3000)} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, ".git"), data, 0o600); err != nil {
			t.Skip(err)
		}
		h, err := handle.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		g := Find(h, Ask{May: func(up *handle.Handle) bool { return up.ID == h.ID }})
		defer g.Close()
		if len(g.GitDirs) > 0 {
			t.Errorf("%q shows %s", data, g.GitDirs[0].Path)
		}
	})
}
