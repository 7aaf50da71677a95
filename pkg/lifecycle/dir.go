package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/outfile"
	"sandbox/pkg/spec"
)

// The files of a container's directory.
const (
	recordFile = "state.json" // written by rename; without it there is no container, only leftovers
	pidLink    = "pid"        // a link to "PID BEGIN BOOT": leads to the process without the record, which may be damaged
	groupLink  = "group"      // a link to the cgroup2.Placement as JSON: what is made before there is a record can be removed
	shareLink  = "share"      // a link to the groups of resctrl that end with the container, as JSON
	startFile  = "start"      // the socket on which a created container waits; gone once it was started
)

// dir is one container's directory, open and locked. Holding the lock is
// holding the right to change the container. flock(2) ends with the process,
// so a verb that is killed leaves no lock behind.
type dir struct {
	path string
	f    *os.File
}

// path is where a container's state lives. Ids are checked here, once for
// every verb, because an id becomes a path.
func (r *Runtime) path(id string) (string, error) {
	if err := spec.ValidID(id); err != nil {
		return "", err
	}
	if len(id) > unix.NAME_MAX {
		return "", fmt.Errorf("invalid container ID format: %d bytes, and a directory name has at most %d", len(id), unix.NAME_MAX)
	}
	return filepath.Join(r.Root, id), nil
}

// claim makes the directory of a new container. What a killed create left
// behind, and a foreground run that was killed, make room; anything else with
// that id is an error and stays untouched.
func (r *Runtime) claim(id string) (*dir, error) {
	path, err := r.path(id)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.Root, 0o700); err != nil {
		return nil, r.because(kernel.Op{Do: kernel.UseRuntime, Path: r.Root}, err)
	}
	for {
		err := os.Mkdir(path, 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, r.because(kernel.Op{Do: kernel.UseRuntime, Path: r.Root}, err)
		}
		d, openErr := openDir(path, unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(openErr, fs.ErrNotExist):
			continue // a delete was quicker
		case errors.Is(openErr, unix.EWOULDBLOCK):
			return nil, fmt.Errorf("container with given ID already exists: %q is being changed by another process", id)
		case openErr != nil:
			return nil, openErr
		case err == nil:
			return d, nil
		}
		rec, err := r.evict(d, id)
		if err != nil {
			d.close()
			return nil, err
		}
		r.discard(d, rec)
	}
}

// evict says whether what is in d may make room; the record is nil where there is
// none.
func (r *Runtime) evict(d *dir, id string) (*Record, error) {
	rec, err := d.read()
	if errors.Is(err, fs.ErrNotExist) || err == nil && rec.AutoRemove && !rec.alive() {
		return rec, nil
	}
	return nil, fmt.Errorf("container with given ID already exists: %s", quote(id))
}

// openDir opens and locks. The directory may be removed while we wait for the
// lock; then it is fs.ErrNotExist.
func openDir(path string, how int) (*dir, error) {
	// Not os.OpenFile, which sets up the poller for something never polled.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	if err := flock(f, how); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Nlink == 0 {
		f.Close()
		return nil, fs.ErrNotExist
	}
	return &dir{path: path, f: f}, nil
}

// lockPatience is how long a verb waits for another one on the same container.
const lockPatience = 10 * time.Second

func flock(f *os.File, how int) error {
	deadline := time.Now().Add(lockPatience)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || how&unix.LOCK_NB != 0 || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}

// hold opens an existing container's directory for a change.
func (r *Runtime) hold(id string) (*dir, error) {
	path, err := r.path(id)
	if err != nil {
		return nil, err
	}
	d, err := openDir(path, unix.LOCK_EX)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil, ErrNotExist
	}
	return d, err
}

// lock opens an existing container for a change, with its record.
func (r *Runtime) lock(id string) (*dir, *Record, error) {
	d, err := r.hold(id)
	if err != nil {
		return nil, nil, err
	}
	rec, err := d.read()
	if err != nil {
		return d, nil, err
	}
	return d, rec, nil
}

func (d *dir) close() { d.f.Close() }

// write records the state: complete or not at all, also on a full disk.
func (d *dir) write(rec *Record) error {
	// A link is made whole or not at all, in one call.
	if err := os.Symlink(fmt.Sprintf("%d %d %s", rec.Pid, rec.Begin, rec.Boot), filepath.Join(d.path, pidLink)); err != nil {
		return err
	}
	return d.rewrite(rec)
}

// rewrite replaces a record that is there.
func (d *dir) rewrite(rec *Record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(d.path, recordFile), b, 0o600)
}

// process is what pidLink says, as far as a record that can be ended.
func (d *dir) process() *Record {
	rec := &Record{}
	text, err := os.Readlink(filepath.Join(d.path, pidLink))
	words := strings.Split(text, " ")
	if err != nil || len(words) != 3 {
		return rec
	}
	rec.Pid, _ = strconv.Atoi(words[0])
	rec.Begin, _ = strconv.ParseUint(words[1], 10, 64)
	rec.Boot = words[2]
	return rec
}

// writeFile replaces a file of ours by rename, so that a reader sees the old one or
// the new one.
func writeFile(path string, b []byte, mode os.FileMode) error {
	return replace(path, path+".new", unix.O_TRUNC, b, mode)
}

// writePid is for --pid-file.
func writePid(path string, pid int) error {
	// Without a newline: containerd parses the whole file as a number.
	if err := outfile.Replace(path, []byte(strconv.Itoa(pid)), 0o644); err != nil {
		return fmt.Errorf("write the pid file %s: %w", path, rootCause(err))
	}
	return nil
}

// rootCause is an error without the name of a file that nobody has heard of.
func rootCause(err error) error {
	var at *fs.PathError
	var from *os.LinkError
	switch {
	case errors.As(err, &at):
		return at.Err
	case errors.As(err, &from):
		return from.Err
	}
	return err
}

func replace(path, tmp string, how int, b []byte, mode os.FileMode) error {
	err := write(tmp, how, b, mode)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return err
	}
	return nil
}

// write is os.WriteFile without the poller, which package os sets up for every
// file.
func write(path string, how int, b []byte, mode os.FileMode) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC|how, uint32(mode.Perm()))
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	for len(b) > 0 && err == nil {
		var n int
		n, err = unix.Write(fd, b)
		b = b[max(0, n):]
		if errors.Is(err, unix.EINTR) {
			err = nil
		}
	}
	if end := unix.Close(fd); err == nil {
		err = end
	}
	if err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

// recordLimit is far above any record we write.
const recordLimit = 16 << 20

// read reads the record. fs.ErrNotExist means that creation never got that far.
func (d *dir) read() (*Record, error) { return readRecord(d.path) }

func readRecord(dir string) (*Record, error) {
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
		return nil, fs.ErrNotExist // a link, say: not made by us
	}
	path := filepath.Join(dir, recordFile)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > recordLimit {
		return nil, fmt.Errorf("%s is not a state file of ours; `delete --force` removes the container", path)
	}
	b, err := kernel.ReadFile(path)
	if err != nil {
		return nil, err
	}
	rec := Record{Cgroup: placed(dir)}
	if err := spec.Decode(b, &rec); err != nil {
		return nil, fmt.Errorf("%s is damaged (%w); `delete --force` removes the container", path, err)
	}
	if rec.ID != filepath.Base(dir) {
		return nil, fmt.Errorf("%s is damaged (its id is %q); `delete --force` removes the container", path, rec.ID)
	}
	return &rec, nil
}

// remove deletes the directory; the lock ends with it.
func (d *dir) remove() error {
	defer d.close()
	// What is always there first; RemoveAll reads the directory.
	_ = unix.Unlink(filepath.Join(d.path, recordFile))
	_ = unix.Unlink(filepath.Join(d.path, pidLink))
	_ = unix.Unlink(filepath.Join(d.path, groupLink))
	if unix.Rmdir(d.path) == nil {
		return nil
	}
	if err := os.RemoveAll(d.path); err != nil {
		return fmt.Errorf("remove the container's state: %w", err)
	}
	return nil
}

// inside is a path in the directory that fits a socket address whatever the
// length of --root: through the open directory.
func (d *dir) inside(name string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", d.f.Fd(), name) }

// because adds the cause that the host shows for an error.
func (r *Runtime) because(op kernel.Op, err error) error { return r.Kernel.Because(op, err) }
