package state

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
)

func newRoot(t *testing.T) *Root {
	t.Helper()
	return &Root{Path: t.TempDir(), UID: os.Geteuid(), Kernel: &kernel.Host{}}
}

// room makes room where a start was killed.
func room(d *Dir) error {
	if err := d.OnlyOurs(); d.Recorded() || err != nil {
		d.Close()
		return errors.Join(errors.New("container with given ID already exists"), err)
	}
	return d.Remove()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOpenRefuses lists what can have a container's name without being one.
func TestOpenRefuses(t *testing.T) {
	r := newRoot(t)
	at := func(name string) string { return filepath.Join(r.Path, name) }
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
		d, err := r.Dir(name)
		if d != nil {
			d.Close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		// None of them keeps a start, and none is lost to one.
		begin := time.Now()
		if _, err := r.Claim(name, room); name != "none" && name != "good" && (err == nil || time.Since(begin) > 5*time.Second) {
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
	r := newRoot(t)
	if r.UID != 0 {
		t.Skip("SKIP-PROBE root: only root can give files away")
	}
	must(t, os.Mkdir(filepath.Join(r.Path, "web"), 0o700))
	must(t, os.Chown(filepath.Join(r.Path, "web"), 4242, 4242))
	var foreign *ForeignError
	if _, err := r.Dir("web"); !errors.As(err, &foreign) || !strings.Contains(err.Error(), "belongs to uid 4242, and we are uid 0") {
		t.Errorf("their directory: %v", err)
	}
	d, err := r.Claim("ours", room)
	must(t, err)
	must(t, d.Note(groupLink, "x"))
	must(t, d.Rewrite(&Record{ID: "ours"}))
	if _, err := d.Read(); err != nil {
		t.Errorf("our record: %v", err)
	}
	for _, name := range []string{groupLink, RecordFile} {
		must(t, os.Lchown(filepath.Join(r.Path, "ours", name), 4242, 4242))
	}
	if _, err := d.Read(); err == nil || !strings.Contains(err.Error(), "not a state file of ours") {
		t.Errorf("their record: %v", err)
	}
	if text := d.Link(groupLink); text != "" {
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
		r := newRoot(t)
		r.Path, r.Own = filepath.Join(r.Path, "sandbox"), true
		must(t, make(r.Path))
		_, claimed := r.Claim("x", room)
		_, listed := r.List(-1)
		for verb, err := range map[string]error{"claim": claimed, "list": listed} {
			if err == nil {
				t.Errorf("%s: %s took it", name, verb)
			}
		}
	}
	r := newRoot(t)
	r.Path, r.Own = filepath.Join(r.Path, "sandbox"), true
	must(t, os.Mkdir(r.Path, 0o700))
	must(t, os.Chmod(r.Path, 0o777))
	var known *kernel.Refusal
	if _, err := r.Open(); !errors.As(err, &known) || known.Cause.Code != kernel.RuntimeForeign {
		t.Errorf("error %v", err)
	}
}

// TestDirIsHeld exchanges a directory after it was opened: all goes to the one that was.
func TestDirIsHeld(t *testing.T) {
	r := newRoot(t)
	d, err := r.Claim("web", room)
	must(t, err)
	web, away := filepath.Join(r.Path, "web"), filepath.Join(r.Path, "away")
	must(t, os.Rename(web, away))
	must(t, os.Mkdir(web, 0o700))
	must(t, os.WriteFile(filepath.Join(web, RecordFile), []byte(`{"id":"web","pid":1}`), 0o600))
	must(t, os.Symlink("1 1 x", filepath.Join(web, PidLink)))

	must(t, d.Note(groupLink, "x"))
	must(t, d.Write(&Record{ID: "web", Pid: 77}))
	f, err := d.Sub(NetworkDir, 0o711)
	must(t, err)
	must(t, WriteAt(f, "hosts", []byte("ours"), 0o644))
	f.Close()
	rec, err := d.Read()
	if err != nil || rec.Pid != 77 || d.Process().Pid != 77 {
		t.Errorf("read %+v, %v, %+v", rec, err, d.Process())
	}
	if names, _ := os.ReadDir(web); len(names) != 2 {
		t.Errorf("the other one has %v", names)
	}
	for _, name := range []string{groupLink, PidLink, RecordFile, NetworkDir + "/hosts"} {
		if _, err := os.Lstat(filepath.Join(away, name)); err != nil {
			t.Error(err)
		}
	}
	if err := d.Remove(); err == nil {
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
	r := newRoot(t)
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "file"), nil, 0o600))
	d, err := r.Claim("web", room)
	must(t, err)
	in := filepath.Join(r.Path, "web")
	must(t, os.MkdirAll(filepath.Join(in, NetworkDir, "ports"), 0o700))
	for _, name := range []string{NotifyDir, "network/away", "network/ports/away"} {
		must(t, os.Symlink(outside, filepath.Join(in, name)))
	}
	must(t, d.Remove())
	if _, err := os.Lstat(in); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(outside, "file")); err != nil {
		t.Error(err)
	}
}

// TestClaimExchanged: who may rename in the state root gives the name of a new container to another one of ours.
func TestClaimExchanged(t *testing.T) {
	r := newRoot(t)
	db, err := r.Claim("db", room)
	must(t, err)
	must(t, db.Write(&Record{ID: "db"}))
	db.Close()
	stop, done, exchanged := make(chan struct{}), make(chan struct{}), 0
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if unix.Renameat2(unix.AT_FDCWD, r.Path+"/web", unix.AT_FDCWD, r.Path+"/db", unix.RENAME_EXCHANGE) == nil {
				exchanged++
			}
		}
	}()
	got := 0
	for end := time.Now().Add(20 * time.Second); got < 300 && time.Now().Before(end); {
		d, err := r.Claim("web", room)
		if err != nil {
			continue
		}
		got++
		if d.Recorded() {
			t.Error("a new container has the directory of another one")
		}
		_ = d.Remove() // its name may be the other's now
	}
	close(stop)
	<-done
	if got < 300 || exchanged < 10 {
		t.Errorf("%d claims, %d exchanges", got, exchanged)
	}
	for _, name := range []string{"web", "db"} {
		if _, err := os.Lstat(filepath.Join(r.Path, name, RecordFile)); err == nil {
			return
		}
	}
	t.Error("the other container's record is gone")
}

// TestClaimWork: a directory of somebody's work that has the name of the new container by now is not taken for it: it would be
// emptied with the container.
func TestClaimWork(t *testing.T) {
	r := newRoot(t)
	d, err := r.Claim("web", room)
	must(t, err)
	if !d.fresh() {
		t.Error("the directory that was made is taken for another")
	}
	must(t, os.WriteFile(filepath.Join(d.Path, "thesis"), nil, 0o600))
	if d.fresh() {
		t.Error("a directory with something in it is taken for a new one")
	}
	d.Close()
	must(t, os.Mkdir(filepath.Join(r.Path, "work"), 0o700))
	work, err := r.Dir("work")
	if err == nil && work.fresh() {
		t.Error("a directory that no start has made is taken for a new one")
	}
}
