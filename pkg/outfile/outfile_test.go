package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shared is a working directory that a program has prepared, beside what it is after.
func shared(t *testing.T) (victim string) {
	t.Helper()
	dir := t.TempDir()
	victim = filepath.Join(dir, "home", "victim")
	for _, d := range []string{"home", "shared"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, victim, "precious")
	t.Chdir(filepath.Join(dir, "shared"))
	for link, to := range map[string]string{"last": victim, "dangling": filepath.Join(dir, "home", "new"), "way": filepath.Join(dir, "home"), "up": ".."} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	return victim
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v; want %q", path, got, err, want)
	}
}

// add appends a line.
func add(path, text string) error {
	f, err := Append(path, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func TestReplace(t *testing.T) {
	victim := shared(t)
	put(t, "old", "old and longer")
	for _, name := range []string{"new", "old", "last", "dangling", "./sub/../new"} {
		if name == "./sub/../new" {
			if err := os.Mkdir("sub", 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := Replace(name, []byte("text"), 0o644); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		holds(t, name, "text")
	}
	holds(t, victim, "precious")
	if _, err := os.Lstat(filepath.Join(filepath.Dir(victim), "new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("made through a dangling link: %v", err)
	}
	if err := Replace("sub", nil, 0o644); !errors.Is(err, unix.EISDIR) {
		t.Errorf("a directory: %v", err)
	}
	if err := Replace("none/x", nil, 0o644); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "open none/x: ") {
		t.Errorf("no directory: %v", err)
	}
	if left, _ := filepath.Glob(".sandbox-*"); left != nil {
		t.Errorf("left %v", left)
	}
}

// TestOpenMakesNothing is what --report relies on: a start that fails leaves no file.
func TestOpenMakesNothing(t *testing.T) {
	shared(t)
	before, _ := os.ReadDir(".")
	f, err := Open("report")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if after, _ := os.ReadDir("."); len(after) != len(before) {
		t.Errorf("%v became %v", before, after)
	}
}

func TestAppend(t *testing.T) {
	victim := shared(t)
	put(t, "old", "one\n")
	for _, name := range []string{"old", "new"} {
		if err := errors.Join(add(name, "two\n"), add(name, "three\n")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	holds(t, "old", "one\ntwo\nthree\n")
	holds(t, "new", "two\nthree\n")
	if err := os.Link(victim, "hard"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"last": "last is a link and may lead to any file", "dangling": "dangling is a link", "hard": "another name of some file",
		"way/victim": "way is a link in the working directory", "up/home/victim": "up is a link in the working directory",
	} {
		if err := add(name, "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	holds(t, victim, "precious")
}

// TestWay is about what leads to the file.
func TestWay(t *testing.T) {
	victim := shared(t)
	home := filepath.Dir(victim)
	cwd, _ := os.Getwd()
	abroad := filepath.Join(home, "abroad") // a link of the caller's own, outside of the working directory
	if err := os.Symlink(home, abroad); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(cwd, filepath.Join(home, "back")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{abroad + "/x", "/proc/self/cwd/../home/x", filepath.Join(home, "back", "x"), "../home/x"} {
		if err := Replace(name, []byte("text"), 0o600); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	holds(t, filepath.Join(home, "x"), "text")
	// However the working directory is called.
	for _, name := range []string{"way/victim", cwd + "/way/victim", filepath.Join(home, "back", "way/victim"), "/proc/self/cwd/way/victim"} {
		for verb, err := range map[string]error{"replace": Replace(name, nil, 0o600), "append": add(name, "x"), "create": Create(filepath.Dir(name)+"/made", nil, 0o600)} {
			var link *LinkError
			if !errors.As(err, &link) || !errors.Is(err, unix.ELOOP) || !strings.Contains(err.Error(), "is a link in the working directory") {
				t.Errorf("%s %s: %v", verb, name, err)
			}
		}
	}
	holds(t, victim, "precious")
	if _, err := os.Lstat(filepath.Join(home, "made")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("made behind a link")
	}
	if err := os.Symlink("loop", filepath.Join(home, "loop")); err != nil {
		t.Fatal(err)
	}
	if err := Replace(filepath.Join(home, "loop/x"), nil, 0o600); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a loop: %v", err)
	}
}

func TestCreate(t *testing.T) {
	victim := shared(t)
	if err := Create("new", []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	holds(t, "new", "text")
	for _, name := range []string{"new", "last", "dangling"} {
		if err := Create(name, []byte("other"), 0o644); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	holds(t, "new", "text")
	holds(t, victim, "precious")
}

// TestSpecial is about what is no file: nothing is waited for, and a device is never replaced.
func TestSpecial(t *testing.T) {
	shared(t)
	for _, name := range []string{"pipe", "dead"} {
		if err := unix.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := add("dead", "x"); !errors.Is(err, unix.ENXIO) {
		t.Errorf("a pipe that nobody reads: %v", err)
	}
	if err := Replace("dead", []byte("text"), 0o600); err != nil {
		t.Errorf("a pipe that nobody reads: %v", err)
	}
	holds(t, "dead", "text")
	late := make(chan string)
	go func() {
		time.Sleep(100 * time.Millisecond)
		b, err := os.ReadFile("late")
		late <- fmt.Sprint(string(b), err)
	}()
	if err := errors.Join(unix.Mkfifo("late", 0o600), Replace("late", []byte("text"), 0o600)); err != nil {
		t.Error(err)
	}
	if got := <-late; got != "text<nil>" {
		t.Errorf("a reader that came late got %s", got)
	}
	reader, err := os.OpenFile("pipe", os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := errors.Join(Replace("pipe", []byte("one "), 0o600), add("pipe", "two")); err != nil {
		t.Error(err)
	}
	buf := make([]byte, 100)
	if n, err := reader.Read(buf); string(buf[:n]) != "one two" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	if err := errors.Join(Replace(os.DevNull, []byte("x"), 0o600), add(os.DevNull, "x")); err != nil {
		t.Error(err)
	}
	if info, err := os.Lstat(os.DevNull); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Fatalf("%s has become %v, %v", os.DevNull, info.Mode(), err)
	}
}

// TestDescriptor: what a path names of ours is taken by its number, whatever is at the path.
func TestDescriptor(t *testing.T) {
	shared(t)
	put(t, "out", "before ")
	f, err := os.OpenFile("out", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.Dup(int(f.Fd())) // as it comes from a shell: not close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	name := filepath.Join("/dev/fd", itoa(fd))
	if err := errors.Join(add(name, "one "), Replace(name, []byte("two "), 0o600), add("/proc/self/fd/"+itoa(fd), "three")); err != nil {
		t.Error(err)
	}
	holds(t, "out", "before one two three")
	for _, name := range []string{"/dev/fd/" + itoa(int(f.Fd())), "/dev/fd/x", "/dev/fd/-1", "/dev/fd/", "/dev/fd/999"} {
		if err := add(name, "x"); err == nil {
			t.Errorf("%s was opened", name)
		}
	}
	if err := add("/dev/stderr", ""); err != nil {
		t.Error(err)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

// TestForeign needs another owner, which only root can make.
func TestForeign(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIP-PROBE root: only root can give files away")
	}
	victim := shared(t)
	home := filepath.Dir(victim)
	const other = 4242
	link := filepath.Join(home, "theirs")
	if err := errors.Join(os.Symlink(home, link), os.Lchown(link, other, other)); err != nil {
		t.Fatal(err)
	}
	if err := Replace(link+"/x", nil, 0o600); err == nil || !strings.Contains(err.Error(), "is a link of somebody else's") {
		t.Errorf("their link: %v", err)
	}
	put(t, "log", "")
	if err := os.Chown("log", other, other); err != nil {
		t.Fatal(err)
	}
	if err := add("log", "x"); err == nil || !strings.Contains(err.Error(), "belongs to uid 4242") {
		t.Errorf("their file in our directory: %v", err)
	}
	if err := os.Chown(".", other, other); err != nil {
		t.Fatal(err)
	}
	if err := add("log", "x"); err != nil {
		t.Errorf("their file in their directory: %v", err)
	}
}
