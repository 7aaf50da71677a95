package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
)

// The files of a container's directory.
const (
	recordFile = "state.json" // written by rename; without it there is no container, only leftovers
	pidLink    = "pid"        // a link to "PID BEGIN BOOT": leads to the process without the record, which may be damaged
	groupLink  = "group"      // a link to the cgroup2.Placement as JSON: what is made before there is a record can be removed
	shareLink  = "share"      // a link to the groups of resctrl that end with the container, as JSON
	startFile  = "start"      // the socket on which a created container waits; gone once it was started

	newSuffix = ".new" // of what becomes one of them by rename
)

// dir is one container's directory, open. All that is done there goes through the descriptor. It is locked for a change:
// holding the lock is holding the right to change the container. flock(2) ends with the process, so a verb that is killed
// leaves no lock behind.
type dir struct {
	id     string
	path   string // where it was found, for people
	root   *os.File
	f      *os.File
	marked bool // it was made by claim
}

func (d *dir) fd() int { return int(d.f.Fd()) }

func (d *dir) close() { d.f.Close() }

// claimPatience is how long a start waits while somebody holds the lock of a directory that has no record: whoever sweeps
// it needs a moment, whoever makes a container of that id keeps it.
const claimPatience = 100 * time.Millisecond

// claim makes the directory of a new container. What a killed create left
// behind, and a foreground run that was killed, make room; anything else with
// that id is an error and stays untouched.
func (r *Runtime) claim(id string) (*dir, error) {
	path, err := r.path(id)
	if err != nil {
		return nil, err
	}
	late := time.Now().Add(claimPatience)
	for range 1000 { // others make and remove the same id meanwhile; not so often
		d, err := r.tryClaim(id)
		switch {
		case err == nil:
			return d, nil
		case errors.Is(err, errAgain):
		case errors.Is(err, unix.EWOULDBLOCK) && time.Now().Before(late):
			time.Sleep(time.Millisecond)
		case errors.Is(err, unix.EWOULDBLOCK):
			return nil, fmt.Errorf("container with given ID already exists: %q is being changed by another process", id)
		default:
			return nil, err
		}
	}
	return nil, fmt.Errorf("make %s: others make and remove it all the time", path)
}

// errAgain says that the place has changed meanwhile, or is free now.
var errAgain = errors.New("try again")

// tryClaim makes the directory, or makes room for it. It is EWOULDBLOCK while somebody has it who has written no record.
func (r *Runtime) tryClaim(id string) (*dir, error) {
	root, err := r.makeRoot()
	if err != nil {
		return nil, r.because(kernel.Op{Do: kernel.UseRuntime, Path: r.Root}, err)
	}
	made := unix.Mkdirat(int(root.Fd()), id, marked)
	if made != nil && !errors.Is(made, unix.EEXIST) {
		return nil, r.because(kernel.Op{Do: kernel.UseRuntime, Path: r.Root}, &fs.PathError{Op: "mkdir", Path: r.Root + "/" + id, Err: made})
	}
	d, err := r.open(id)
	if err == nil {
		// A record in what was just made: another container's directory has been given this name meanwhile.
		if err = d.lock(unix.LOCK_EX | unix.LOCK_NB); err == nil && made == nil && !d.recorded() {
			return d, nil
		}
	}
	if err == nil {
		return nil, r.evict(d)
	}
	var stranger *strangerError
	var foreign *foreignError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = errAgain // a delete was quicker
	case errors.As(err, &stranger), errors.As(err, &foreign):
		err = fmt.Errorf("container with given ID already exists: %w", err)
	case errors.Is(err, unix.EWOULDBLOCK) && d.recorded():
		err = fmt.Errorf("container with given ID already exists: %q is being changed by another process", id)
	}
	if d != nil {
		d.close()
	}
	return nil, err
}

// evict removes what may make room, and closes d.
func (r *Runtime) evict(d *dir) error {
	rec, err := d.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err = r.clear(d, r.Warn); errors.Is(err, errNotLeft) {
			err = fmt.Errorf("container with given ID already exists: %w", err)
		}
	case err == nil && rec.AutoRemove && !rec.alive():
		err = r.discard(d, rec, r.Warn)
	default:
		d.close()
		return fmt.Errorf("container with given ID already exists: %s", quote(d.id))
	}
	if err != nil {
		return err
	}
	return errAgain
}

// lock locks the directory. It may be removed while we wait; then it is fs.ErrNotExist.
func (d *dir) lock(how int) error {
	if err := flock(d.f, how); err != nil {
		return fmt.Errorf("lock %s: %w", d.path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(d.fd(), &st); err != nil || st.Nlink == 0 {
		return fs.ErrNotExist
	}
	return nil
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

// known opens a container's directory. What is no directory is no container.
func (r *Runtime) known(id string) (*dir, error) {
	d, err := r.open(id)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, ErrNotExist
	}
	return d, err
}

// hold opens an existing container's directory for a change.
func (r *Runtime) hold(id string) (*dir, error) {
	d, err := r.known(id)
	if err != nil {
		return nil, err
	}
	if err := d.lock(unix.LOCK_EX); err != nil {
		return nil, notExist(d, err)
	}
	return d, nil
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

// find opens an existing container to look at it.
func (r *Runtime) find(id string) (*dir, *Record, error) {
	d, err := r.known(id)
	if err != nil {
		return nil, nil, err
	}
	rec, err := d.read()
	if err != nil {
		return nil, nil, notExist(d, err)
	}
	return d, rec, nil
}

// notExist closes what may have been opened; a directory without a record is
// no container.
func notExist(d *dir, err error) error {
	if d != nil {
		d.close()
	}
	if errors.Is(err, os.ErrNotExist) {
		return ErrNotExist
	}
	return err
}

// has says whether a name is there, whatever it is.
func (d *dir) has(name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(d.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// recorded says whether there is a record, good or not.
func (d *dir) recorded() bool { return d.has(recordFile) }

// link is the text of a link of ours, "" without one.
func (d *dir) link(name string) string {
	fd, err := unix.Openat(d.fd(), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || notOurs(&st) != "" {
		return ""
	}
	var text [unix.PathMax]byte
	n, err := unix.Readlinkat(fd, "", text[:]) // of anything else it is an error
	if err != nil {
		return ""
	}
	return string(text[:n])
}

// process is what pidLink says, as far as a record that can be ended.
func (d *dir) process() *Record {
	rec := &Record{}
	words := strings.Split(d.link(pidLink), " ")
	if len(words) != 3 {
		return rec
	}
	rec.Pid, _ = strconv.Atoi(words[0])
	rec.Begin, _ = strconv.ParseUint(words[1], 10, 64)
	rec.Boot = words[2]
	return rec
}

// note writes down, before it is made, what a killed create leaves outside of the
// directory. A link is there whole or not at all.
func (d *dir) note(name string, what any) error {
	b, err := json.Marshal(what)
	if err == nil {
		err = unix.Symlinkat(string(b), d.fd(), name+newSuffix)
	}
	if err == nil {
		err = unix.Renameat(d.fd(), name+newSuffix, d.fd(), name)
	}
	if err != nil {
		return fmt.Errorf("record the container's %s: %w", name, err)
	}
	return nil
}

// sub makes a directory of its own in the container's, and opens it.
func (d *dir) sub(name string, mode uint32) (*os.File, error) {
	if err := unix.Mkdirat(d.fd(), name, 0o700); err != nil {
		return nil, err
	}
	f, err := d.openSub(name)
	if err != nil {
		return nil, err
	}
	// Whatever our umask is: a payload with another id looks for what it needs there.
	if err := unix.Fchmod(int(f.Fd()), mode); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (d *dir) openSub(name string) (*os.File, error) {
	fd, err := unix.Openat(d.fd(), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.path+"/"+name), nil
}

// inside is a path in the directory that fits a socket address whatever the
// length of --root: through the open directory.
func (d *dir) inside(name string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", d.f.Fd(), name) }

// remove deletes the directory; the lock ends with it.
func (d *dir) remove() error {
	defer d.close()
	// What is always there first; to look what else is costs more.
	for _, name := range []string{recordFile, pidLink, groupLink} {
		_ = unix.Unlinkat(d.fd(), name, 0)
	}
	err := unix.Unlinkat(int(d.root.Fd()), d.id, unix.AT_REMOVEDIR)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		if err = d.empty(); err == nil {
			err = unix.Unlinkat(int(d.root.Fd()), d.id, unix.AT_REMOVEDIR)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the container's state %s: %w", d.path, err)
	}
	return nil
}

// empty removes all that is in the directory, and never what a link in it leads to.
func (d *dir) empty() error {
	in, err := os.OpenRoot(d.inside("."))
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	names, err := d.names()
	for _, name := range names {
		err = errors.Join(err, in.RemoveAll(name))
	}
	return err
}

// names lists what is in the directory.
func (d *dir) names() ([]string, error) {
	f, err := d.openSub(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}
