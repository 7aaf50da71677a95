package helper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The working directory is one of those that programs are not taken from; here it is none.
func TestMain(m *testing.M) {
	if name := os.Getenv("FIND"); name != "" {
		p, err := (&Finder{}).Find(name, nil)
		fmt.Printf("%v %v\n", p, err)
		return
	}
	if err := os.Chdir("/"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// put makes a script that says what it is.
func put(t *testing.T, path, says string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho "+says+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// says runs a program as our callers do, and returns what it said.
func says(t *testing.T, p *Program) string {
	t.Helper()
	cmd := exec.Command(p.As(3))
	if p.File != nil {
		cmd.ExtraFiles = []*os.File{p.File}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v: %s", p.Path, err, out)
	}
	return strings.TrimSpace(string(out))
}

// alone is a Finder in an environment of its own, that shares nothing.
func alone(env map[string]string) *Finder {
	return &Finder{Env: func(name string) string { return env[name] }}
}

func placeOf(t *testing.T, dir string) func() []Place {
	t.Helper()
	place, ok := placeAt(dir, "the directory of the test")
	if !ok {
		t.Fatal(dir)
	}
	return func() []Place { return []Place{place} }
}

// TestSystem: without $PATH what the host has is found in root's directories, and stays named by its path.
func TestSystem(t *testing.T) {
	p, err := alone(nil).Find("sh", nil)
	if err != nil || p.File != nil || !slices.Contains(usual, filepath.Dir(p.Path)) {
		t.Fatalf("%+v, %v", p, err)
	}
	var missing *MissingError
	_, err = alone(nil).Find("no-such-program", nil)
	if !errors.As(err, &missing) || err.Error() != "no-such-program is not installed" || !slices.Equal(missing.Dirs, usual) {
		t.Errorf("%v: %+v", err, missing)
	}
}

// TestPlanted: a program in a directory of ours that stands first in $PATH is never run, whether it may be written by
// commands now or could have been before; what was refused is told.
func TestPlanted(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"sh", "planted"} {
		put(t, filepath.Join(dir, name), "planted", 0o755)
	}
	for _, path := range []string{dir, dir + "/", "/nowhere:" + dir} {
		var told string
		f := alone(map[string]string{"PATH": path})
		f.Tell = func(text string) { told = text }
		p, err := f.Find("sh", nil)
		if err != nil || !slices.Contains(usual, filepath.Dir(p.Path)) {
			t.Errorf("PATH=%s: %+v, %v", path, p, err)
		}
		if !strings.Contains(told, dir+"/sh refused: ") || !strings.Contains(told, "is run instead (--helper sh=PATH") {
			t.Errorf("PATH=%s: told %q", path, told)
		}
		_, err = f.Find("planted", nil)
		if err == nil || !strings.Contains(err.Error(), dir+"/planted refused: ") || !strings.Contains(err.Error(), "--helper planted=PATH") {
			t.Errorf("PATH=%s: %v", path, err)
		}
	}
	f := alone(map[string]string{"PATH": dir})
	f.Shared = placeOf(t, filepath.Dir(dir))
	if _, err := f.Find("planted", nil); err == nil || !strings.Contains(err.Error(), "planted refused: the directory of the test is writable by commands") {
		t.Errorf("what is shared now: %v", err)
	}
}

// TestRelative: $PATH may lead into the working directory.
func TestRelative(t *testing.T) {
	t.Chdir(t.TempDir())
	put(t, "bin/planted", "planted", 0o755)
	for _, path := range []string{"bin", "./bin", "bin/", "bin/."} {
		f := &Finder{Env: func(string) string { return path }}
		_, err := f.Find("planted", nil)
		if err == nil || !strings.Contains(err.Error(), "refused: the working directory is writable by commands") {
			t.Errorf("PATH=%s: %v", path, err)
		}
	}
	put(t, "planted", "planted", 0o755)
	for _, path := range []string{"", ".", ":/usr/bin"} {
		f := &Finder{Env: func(string) string { return path }}
		if _, err := f.Find("planted", nil); err == nil || path != "" && !strings.Contains(err.Error(), "./planted refused: ") {
			t.Errorf("PATH=%s: %v", path, err)
		}
	}
}

// TestGiven: what the caller names is run as it was looked at, by descriptor: a script too.
func TestGiven(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "mine")
	put(t, path, "mine", 0o755)
	f := alone(nil)
	f.Given = map[string]string{"sh": path}
	p, err := f.Find("sh", nil)
	if err != nil || p.Path != path || p.File == nil {
		t.Fatalf("%+v, %v", p, err)
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	put(t, path, "another", 0o755)
	if got := says(t, p); got != "mine" {
		t.Errorf("%q was run", got)
	}
	for _, tt := range []struct {
		prepare func()
		want    string
	}{
		{func() { f.Shared = placeOf(t, dir) }, "the directory of the test is writable by commands"},
		{func() { f.Shared = nil; _ = os.Chmod(path, 0o775) }, "it is writable by its group"},
		{func() { _ = os.Chmod(path, 0o644) }, "permission denied"},
		{func() { _ = os.Remove(path); _ = os.Mkdir(path, 0o755) }, "it is a directory"},
		{func() { _ = os.Remove(path); put(t, path, "x", 0o755); _ = os.Chmod(dir, 0o777) }, dir + " is writable by its group or by others"},
		{func() { _ = os.Chmod(dir, 0o755); _ = os.Remove(path) }, "no such file"},
	} {
		tt.prepare()
		f.found = nil
		if p, err := f.Find("sh", nil); err == nil || !strings.Contains(err.Error(), path+" (--helper) refused: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v, %v; want %q", p, err, tt.want)
		}
	}
}

// TestRace: the directory that a path leads through is exchanged for one that is shared, all the time. What is run was
// never in the shared one.
func TestRace(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "safe", "mine"), "mine", 0o755)
	put(t, filepath.Join(dir, "shared", "mine"), "planted", 0o755)
	good, door := filepath.Join(dir, "good"), filepath.Join(dir, "door")
	for name, target := range map[string]string{good: "safe", door: "shared"} {
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, good, unix.AT_FDCWD, door, unix.RENAME_EXCHANGE)
			}
		}
	}()
	ran, refused := 0, 0
	for range 600 {
		f := alone(nil)
		f.Given, f.Shared = map[string]string{"sh": door + "/mine"}, placeOf(t, filepath.Join(dir, "shared"))
		p, err := f.Find("sh", nil)
		if err != nil {
			refused++
			continue
		}
		if ran++; says(t, p) != "mine" {
			t.Error("what is shared was run")
		}
		p.File.Close()
	}
	close(stop)
	<-done
	if ran == 0 || refused == 0 {
		t.Errorf("no race: %d times run, %d times refused", ran, refused)
	}
}

// TestWalk: all ways to a file, and who could change them.
func TestWalk(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/a/b/file", "x", 0o755)
	put(t, dir+"/sticky/file", "x", 0o755)
	put(t, dir+"/open/file", "x", 0o755)
	put(t, dir+"/a/loose", "x", 0o757)
	for name, target := range map[string]string{
		"link": "a/b", "absolute": dir + "/a/b/file", "up": "a/b/../b/./file", "loop": "loop", "dangling": "none",
		"through": dir + "/open/../a", "sticky/link": "../a/b/file",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"sticky": 0o777 | os.ModeSticky, "open": 0o777} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	var f Finder
	for path, want := range map[string]string{
		"/a/b/file": "", "/link/file": "", "/absolute": "", "//up": "", "/up/": "not a directory", "/a/../a/b/file": "", "/sticky/file": "", "/sticky/link": "",
		"/a/loose": "writable by its group or by others", "/open/file": "/open is writable", "/through/b/file": "/open is writable",
		"/loop": "too many levels", "/dangling": "no such file", "/none/file": "no such file", "/a/b/file/x": "not a directory", "/a": "is a directory",
	} {
		file, at, err := f.walk(dir+path, f.ours)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if err == nil {
			unix.Close(file)
			unix.Close(at)
		}
	}
	if _, _, err := f.walk("a/b", f.ours); err == nil {
		t.Error("a relative path is walked")
	}
	nobodys := func(uint32) string { return "by nobody we know" }
	if _, _, err := f.walk(dir+"/a/b/file", nobodys); err == nil || !strings.Contains(err.Error(), "/ is owned by uid ") {
		t.Errorf("the root's owner: %v", err)
	}
	fds, _ := os.ReadDir("/proc/self/fd")
	for range 50 {
		_, _, _ = f.walk(dir+"/open/file", f.ours)
		_, _, _ = f.walk(dir+"/loop", f.ours)
		_, _, _ = f.walk(dir+"/a", f.ours)
		_, _ = f.Find("no-such-program", nil)
	}
	if now, _ := os.ReadDir("/proc/self/fd"); len(now) > len(fds)+5 {
		t.Errorf("%d descriptors are left open", len(now)-len(fds))
	}
}

// TestSticky: in a directory that all may write to, a link of somebody else's leads nowhere.
func TestSticky(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/there/file", "x", 0o755)
	put(t, dir+"/sticky/file", "x", 0o755)
	if err := errors.Join(os.Chmod(dir+"/sticky", 0o777|os.ModeSticky), os.Symlink("../there/file", dir+"/sticky/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(dir+"/sticky/link", 12345, 12345); err != nil {
		t.Skip("only root can give a link away")
	}
	var f Finder
	if _, _, err := f.walk(dir+"/sticky/link", f.ours); err == nil || !strings.Contains(err.Error(), "/sticky/link is owned by uid 12345") {
		t.Errorf("a stranger's link in a sticky directory: %v", err)
	}
}

// TestBeside: a program next to our own is found last, and not where commands can write now.
func TestBeside(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/extra", "beside", 0o755)
	f := alone(nil)
	f.Exe = dir + "/sandbox"
	p, err := f.Find("extra", nil)
	if err != nil || p.File == nil || says(t, p) != "beside" {
		t.Errorf("%+v, %v", p, err)
	}
	f.found, f.Shared = nil, placeOf(t, dir)
	if _, err := f.Find("extra", nil); err == nil || !strings.Contains(err.Error(), dir+"/extra refused: the directory of the test is writable by commands") {
		t.Errorf("shared: %v", err)
	}
}

// TestOwnTree: in a tree whose root is ours, as who unpacked an image without root has it, all may be ours; then the
// usual directories are believed, and no other that $PATH names.
func TestOwnTree(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can chroot")
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"usr/bin/tool", "venv/bin/tool", "venv/bin/planted", "usr/bin/self"} {
		put(t, filepath.Join(dir, name), "x", 0o755)
	}
	if err := os.WriteFile(dir+"/usr/bin/self", self, 0o755); err != nil {
		t.Fatal(err)
	}
	find := func(name, cwd string) string {
		t.Helper()
		cmd := exec.Command("/usr/bin/self")
		cmd.Dir, cmd.Env = cwd, []string{"FIND=" + name, "PATH=/venv/bin"}
		cmd.SysProcAttr = &unix.SysProcAttr{Chroot: dir, Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, unix.ENOENT) {
			t.Skip("this test needs a loader; build it with CGO_ENABLED=0")
		}
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if got := find("planted", "/"); !strings.Contains(got, "{/venv/bin/planted") {
		t.Errorf("in root's tree: %s", got)
	}
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, 12345, 12345))
	}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, cwd, want string }{
		{"tool", "/", "/usr/bin/tool"},
		{"tool", "/venv", "/usr/bin/tool"},
		{"tool", "/usr", "/usr/bin/tool refused: the working directory is writable by commands"},
		{"planted", "/", "/venv/bin/planted refused: it is yours, and in none of the system's directories"},
	} {
		if got := find(tt.name, tt.cwd); !strings.Contains(got, tt.want) {
			t.Errorf("%s in %s: %s, want %s", tt.name, tt.cwd, got, tt.want)
		}
	}
}

// TestAtHome: whoever sits in his home shares nothing of it, wherever that is.
func TestAtHome(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/u/bin/mine", "mine", 0o755)
	put(t, dir+"/u/proj/x", "x", 0o755)
	if err := os.Symlink("u", dir+"/home"); err != nil {
		t.Fatal(err)
	}
	for at, believed := range map[string][2]bool{ // with $HOME, and without
		"/": {true, true}, dir: {true, false}, dir + "/u": {true, false}, dir + "/home": {true, false},
		dir + "/u/proj": {true, true}, dir + "/u/bin": {false, false},
	} {
		t.Chdir(at)
		for i, home := range []string{dir + "/home", ""} {
			f := alone(map[string]string{"HOME": home})
			f.Given = map[string]string{"ps": dir + "/u/bin/mine"}
			if _, err := f.Find("ps", nil); (err == nil) != believed[i] {
				t.Errorf("in %s, at home in %q: %v", at, home, err)
			}
		}
	}
}

// TestConfigured: a file of the caller's names programs, when they are not found or were refused, and only then.
func TestConfigured(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/tools/slirp4netns", "mine", 0o755)
	put(t, dir+"/bin/sh", "planted", 0o755)
	env := map[string]string{"HOME": dir, "PATH": dir + "/bin"}
	file := dir + "/.config/sandbox/helpers"
	config := func(text string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	look := func() (*Program, error) {
		return alone(env).Find("slirp4netns", func(p *Program) error { // as if the host had none
			if p.File == nil {
				return errors.New("not this one")
			}
			return Executable(p)
		})
	}
	config("# mine\n\nslirp4netns=" + dir + "/tools/slirp4netns\r\nps=/none\n")
	p, err := look()
	if err != nil || says(t, p) != "mine" {
		t.Errorf("%+v, %v", p, err)
	}
	env["XDG_CONFIG_HOME"] = dir + "/elsewhere"
	if _, err := look(); err == nil {
		t.Error("$XDG_CONFIG_HOME has no say")
	}
	delete(env, "XDG_CONFIG_HOME")
	for want, spoil := range map[string]func(){
		file + ":1: want NAME=PATH":                  func() { config("nonsense\n") },
		file + ":1: unknown program \"bash\"":        func() { config("bash=/bin/bash\n") },
		file + ":1: \"x\" must be an absolute path":  func() { config("pasta=x\n") },
		"/none (" + file + ") refused: open ":        func() { config("slirp4netns=/none\n") },
		file + " refused: it is writable by its":     func() { _ = os.Chmod(file, 0o666) },
		file + " refused: " + dir + "/.config is wr": func() { _ = os.Chmod(dir+"/.config", 0o777) },
	} {
		config("")
		_ = os.Chmod(dir+"/.config", 0o755)
		_ = os.Chmod(file, 0o644)
		spoil()
		if _, err := look(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestParse(t *testing.T) {
	if name, path, err := Parse("pasta=/a=b"); name != "pasta" || path != "/a=b" || err != nil {
		t.Errorf("%q %q %v", name, path, err)
	}
	for _, text := range []string{"", "pasta", "=/x", "pasta=", "pasta=x", "pasta=./x", "sh=/bin/sh", "pasta=/a\x00b", "pasta=/a\nb"} {
		if _, _, err := Parse(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
