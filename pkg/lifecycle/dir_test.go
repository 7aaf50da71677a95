package lifecycle

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOpenRefuses lists what can have a container's name without being one.
func TestOpenRefuses(t *testing.T) {
	r := newRuntime(t)
	at := func(name string) string { return filepath.Join(r.Root, name) }
	must(t, os.Mkdir(at("good"), 0o755))
	must(t, os.Mkdir(at("group"), 0o700))
	must(t, os.Chmod(at("group"), 0o770))
	must(t, os.Mkdir(at("all"), 0o700))
	must(t, os.Chmod(at("all"), 0o777|os.ModeSticky))
	must(t, os.Symlink("good", at("link")))
	must(t, os.Symlink("nowhere", at("dangling")))
	must(t, unix.Mkfifo(at("pipe"), 0o600))
	must(t, os.WriteFile(at("file"), nil, 0o600))
	l, err := net.Listen("unix", at("socket"))
	must(t, err)
	defer l.Close()
	for name, want := range map[string]string{
		"good": "", "none": "no such file", "group": "can be written by others (mode 0770)", "all": "can be written by others (mode 1777)",
		"link": "is a link and no", "dangling": "is a link and no", "pipe": "is a pipe and no", "file": "is a file and no", "socket": "is a socket and no",
		"..": "invalid container ID",
	} {
		d, err := r.open(name)
		if d != nil {
			d.close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		// None of them keeps a start, and none is lost to one.
		begin := time.Now()
		if _, err := r.claim(name); name != "none" && name != "good" && (err == nil || time.Since(begin) > 5*time.Second) {
			t.Errorf("claim %s: %v after %s", name, err, time.Since(begin))
		}
	}
	for _, name := range []string{"group", "all", "link", "dangling", "pipe", "file", "socket"} {
		if _, err := os.Lstat(at(name)); err != nil {
			t.Error(err)
		}
	}
}

// TestForeignOwner needs another owner, which only root can make.
func TestForeignOwner(t *testing.T) {
	r := newRuntime(t)
	if r.Caller.UID != 0 {
		t.Skip("SKIP-PROBE root: only root can give files away")
	}
	must(t, os.Mkdir(filepath.Join(r.Root, "web"), 0o700))
	must(t, os.Chown(filepath.Join(r.Root, "web"), 4242, 4242))
	var foreign *foreignError
	if _, err := r.open("web"); !errors.As(err, &foreign) || !strings.Contains(err.Error(), "belongs to uid 4242, and we are uid 0") {
		t.Errorf("their directory: %v", err)
	}
	d, err := r.claim("ours")
	must(t, err)
	must(t, d.note(groupLink, "x"))
	must(t, d.rewrite(&Record{ID: "ours"}))
	if _, err := d.read(); err != nil {
		t.Errorf("our record: %v", err)
	}
	for _, name := range []string{groupLink, recordFile} {
		must(t, os.Lchown(filepath.Join(r.Root, "ours", name), 4242, 4242))
	}
	if _, err := d.read(); err == nil || !strings.Contains(err.Error(), "not a state file of ours") {
		t.Errorf("their record: %v", err)
	}
	if text := d.link(groupLink); text != "" {
		t.Errorf("their link says %q", text)
	}
}

// TestDefaultRoot: what nobody has typed is ours alone.
func TestDefaultRoot(t *testing.T) {
	for name, make := range map[string]func(string) error{
		"open to the group": func(p string) error { return errors.Join(os.Mkdir(p, 0o700), os.Chmod(p, 0o770)) },
		"a link":            func(p string) error { return os.Symlink(t.TempDir(), p) },
		"a file":            func(p string) error { return os.WriteFile(p, nil, 0o600) },
	} {
		r := newRuntime(t)
		r.Root, r.ownRoot = filepath.Join(r.Root, "sandbox"), true
		must(t, make(r.Root))
		_, claimed := r.claim("x")
		_, listed := r.List()
		for verb, err := range map[string]error{"claim": claimed, "list": listed} {
			if err == nil {
				t.Errorf("%s: %s took it", name, verb)
			}
		}
	}
	r := newRuntime(t)
	r.Root, r.ownRoot = filepath.Join(r.Root, "sandbox"), true
	must(t, os.Mkdir(r.Root, 0o700))
	must(t, os.Chmod(r.Root, 0o777))
	var known *kernel.Refusal
	if _, err := r.openRoot(); !errors.As(err, &known) || known.Cause.Code != kernel.RuntimeForeign {
		t.Errorf("error %v", err)
	}
}

// TestDirIsHeld exchanges a directory after it was opened: all goes to the one that was.
func TestDirIsHeld(t *testing.T) {
	r := newRuntime(t)
	d, err := r.claim("web")
	must(t, err)
	web, away := filepath.Join(r.Root, "web"), filepath.Join(r.Root, "away")
	must(t, os.Rename(web, away))
	must(t, os.Mkdir(web, 0o700))
	must(t, os.WriteFile(filepath.Join(web, recordFile), []byte(`{"id":"web","pid":1}`), 0o600))
	must(t, os.Symlink("1 1 x", filepath.Join(web, pidLink)))

	must(t, d.note(groupLink, "x"))
	must(t, d.write(&Record{ID: "web", Pid: 77}))
	f, err := d.sub(networkDir, 0o711)
	must(t, err)
	must(t, writeAt(f, "hosts", []byte("ours"), 0o644))
	f.Close()
	rec, err := d.read()
	if err != nil || rec.Pid != 77 || d.process().Pid != 77 {
		t.Errorf("read %+v, %v, %+v", rec, err, d.process())
	}
	if names, _ := os.ReadDir(web); len(names) != 2 {
		t.Errorf("the other one has %v", names)
	}
	for _, name := range []string{groupLink, pidLink, recordFile, networkDir + "/hosts"} {
		if _, err := os.Lstat(filepath.Join(away, name)); err != nil {
			t.Error(err)
		}
	}
	if err := d.remove(); err == nil {
		t.Error("removed, with another directory of that name there")
	}
	if names, _ := os.ReadDir(away); len(names) != 0 {
		t.Errorf("left %v", names)
	}
	if names, _ := os.ReadDir(web); len(names) != 2 {
		t.Errorf("the other one has %v", names)
	}
}

// TestRemoveStaysInside: links in the directory lead nowhere.
func TestRemoveStaysInside(t *testing.T) {
	r := newRuntime(t)
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "file"), nil, 0o600))
	d, err := r.claim("web")
	must(t, err)
	in := filepath.Join(r.Root, "web")
	must(t, os.MkdirAll(filepath.Join(in, networkDir, "ports"), 0o700))
	for _, name := range []string{notifyDir, "network/away", "network/ports/away"} {
		must(t, os.Symlink(outside, filepath.Join(in, name)))
	}
	must(t, d.remove())
	if _, err := os.Lstat(in); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(outside, "file")); err != nil {
		t.Error(err)
	}
}

// TestClaimStays: a directory that cannot be removed is one error, and not tried for ever.
func TestClaimStays(t *testing.T) {
	r := newRuntime(t)
	if r.Caller.UID == 0 {
		t.Skip("SKIP-PROBE user: root can remove everything")
	}
	told := 0
	r.Warn = func(string) { told++ }
	deep := filepath.Join(r.Root, "web", networkDir, "deep")
	must(t, os.MkdirAll(filepath.Join(deep, "er"), 0o700))
	must(t, os.Chmod(deep, 0))
	defer os.Chmod(deep, 0o700)
	if _, err := r.claim("web"); err == nil || told > 1 {
		t.Errorf("error %v, told %d times", err, told)
	}
}

// TestClaimExchanged: who may rename in the state root gives the name of a new container to another one of ours.
func TestClaimExchanged(t *testing.T) {
	r := newRuntime(t)
	db, err := r.claim("db")
	must(t, err)
	must(t, db.write(&Record{ID: "db"}))
	db.close()
	stop, done, exchanged := make(chan struct{}), make(chan struct{}), 0
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if unix.Renameat2(unix.AT_FDCWD, r.Root+"/web", unix.AT_FDCWD, r.Root+"/db", unix.RENAME_EXCHANGE) == nil {
				exchanged++
			}
		}
	}()
	got := 0
	for end := time.Now().Add(20 * time.Second); got < 300 && time.Now().Before(end); {
		d, err := r.claim("web")
		if err != nil {
			continue
		}
		got++
		if d.recorded() {
			t.Error("a new container has the directory of another one")
		}
		_ = d.remove() // its name may be the other's now
	}
	close(stop)
	<-done
	if got < 300 || exchanged < 10 {
		t.Errorf("%d claims, %d exchanges", got, exchanged)
	}
	for _, name := range []string{"web", "db"} {
		if _, err := os.Lstat(filepath.Join(r.Root, name, recordFile)); err == nil {
			return
		}
	}
	t.Error("the other container's record is gone")
}

// TestSweepAndClaim: who sweeps takes the lock of what has none yet, and must not keep a start from its own directory.
func TestSweepAndClaim(t *testing.T) {
	r := newRuntime(t)
	stop := make(chan struct{})
	var sweepers sync.WaitGroup
	for range 2 {
		sweepers.Go(func() {
			s, err := New(r.Root)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err == nil {
					s.Sweep()
				}
			}
		})
	}
	for i := range 500 {
		d, err := r.claim(fmt.Sprint("c", i%7))
		if err != nil {
			t.Errorf("claim %d: %v", i, err)
			break
		}
		if i%2 == 0 {
			must(t, d.remove())
		} else {
			d.close() // as one that was killed
		}
	}
	close(stop)
	sweepers.Wait()
	r.Sweep()
	if names, _ := os.ReadDir(r.Root); len(names) != 0 {
		t.Errorf("left %v", names)
	}
}

// TestSweepLeaves what is not ours to remove.
func TestSweepLeaves(t *testing.T) {
	r := newRuntime(t)
	at := func(name string) string { return filepath.Join(r.Root, name) }
	must(t, os.Mkdir(at("unmarked"), 0o700))
	must(t, unix.Mkdir(at("work"), marked))
	must(t, os.WriteFile(at("work/file"), nil, 0o600))
	must(t, unix.Mkdir(at("busy"), marked))
	busy, err := r.hold("busy")
	must(t, err)
	defer busy.close()
	must(t, unix.Mkdir(at("open"), marked))
	must(t, os.Chmod(at("open"), 0o777|os.ModeSticky))
	must(t, unix.Mkdir(at("left"), marked))
	other, err := New(r.Root)
	must(t, err)
	other.Sweep()
	if _, err := other.List(); err != nil {
		t.Error(err)
	}
	var have []string
	entries, _ := os.ReadDir(r.Root)
	for _, e := range entries {
		have = append(have, e.Name())
	}
	if got := strings.Join(have, " "); got != "busy open unmarked work" {
		t.Errorf("left %s", got)
	}
}

func TestLeftOut(t *testing.T) {
	if got, want := leftOut([]string{"a", "b"}), "left out, for they are not ours alone: a; b"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := leftOut([]string{"a", "b", "c", "d", "e"}); !strings.HasSuffix(got, "a; b; c and 2 more") {
		t.Error(got)
	}
}
