package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The files of a container's directory.
const (
	RecordFile = "state.json" // written by rename; without it there is no container, only leftovers
	SpecFile   = "spec.json"  // what it was made from, which few verbs need; written before RecordFile
	PidLink    = "pid"        // a link to "PID BEGIN BOOT", of an init too: leads to the process without the record, which may be damaged
	groupLink  = "group"      // a link to the cgroup2.Placement as JSON: what is made before there is a record can be removed
	LayerLink  = "layer"      // a link to what the container changes of an image's layers, as JSON
	ShareLink  = "share"      // a link to the groups of resctrl that end with the container, as JSON
	StartFile  = "start"      // the socket on which a created container waits; gone once it was started
	NetworkDir = "network"    // the directory of its network's helper, and of the files that speak of its network
	NotifyDir  = "notify"     // the directory of the socket on which it says that it is ready

	newSuffix = ".new" // of what becomes one of them by rename
)

// Dir is one container's directory, open. All that is done there goes through the descriptor. It is locked for a change:
// holding the lock is holding the right to change the container. flock(2) ends with the process, so a verb that is killed
// leaves no lock behind.
type Dir struct {
	ID     string
	Path   string // where it was found, for people
	root   *Root
	f      *os.File
	marked bool // it was made by Claim
}

// FD is the open directory.
func (d *Dir) FD() int { return int(d.f.Fd()) }

// RootFD is the directory of all containers' state.
func (d *Dir) RootFD() int { return int(d.root.dir.Fd()) }

// Close lets go of the directory and of its lock.
func (d *Dir) Close() { d.f.Close() }

// Has says whether a name is there, whatever it is.
func (d *Dir) Has(name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(d.FD(), name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// Recorded says whether there is a record, good or not.
func (d *Dir) Recorded() bool { return d.Has(RecordFile) }

// Link is the text of a link of ours, "" without one.
func (d *Dir) Link(name string) string {
	fd, err := unix.Openat(d.FD(), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || NotOurs(&st) != "" {
		return ""
	}
	var text [unix.PathMax]byte
	n, err := unix.Readlinkat(fd, "", text[:]) // of anything else it is an error
	if err != nil {
		return ""
	}
	return string(text[:n])
}

// Process is what PidLink says, as far as a record that can be ended.
func (d *Dir) Process() *Record {
	rec := &Record{}
	words := strings.Split(d.Link(PidLink), " ")
	if len(words) != 3 && len(words) != 5 {
		return rec
	}
	rec.Pid, _ = strconv.Atoi(words[0])
	rec.Begin, _ = strconv.ParseUint(words[1], 10, 64)
	rec.Boot = words[2]
	if len(words) == 5 {
		rec.Init, _ = strconv.Atoi(words[3])
		rec.InitBegin, _ = strconv.ParseUint(words[4], 10, 64)
	}
	return rec
}

// pidLink is what [Dir.Process] reads.
func (r *Record) pidLink() string {
	text := fmt.Sprintf("%d %d %s", r.Pid, r.Begin, r.Boot)
	if r.Init != 0 {
		text += fmt.Sprintf(" %d %d", r.Init, r.InitBegin)
	}
	return text
}

// Note writes down, before it is made, what a killed create leaves outside of the
// directory. A link is there whole or not at all.
func (d *Dir) Note(name string, what any) error {
	b, err := json.Marshal(what)
	if err == nil {
		err = unix.Symlinkat(string(b), d.FD(), name+newSuffix)
	}
	if err == nil {
		err = unix.Renameat(d.FD(), name+newSuffix, d.FD(), name)
	}
	if err != nil {
		return fmt.Errorf("record the container's %s: %w", name, err)
	}
	return nil
}

// Sub makes a directory of its own in the container's, and opens it.
func (d *Dir) Sub(name string, mode uint32) (*os.File, error) {
	if err := unix.Mkdirat(d.FD(), name, 0o700); err != nil {
		return nil, err
	}
	f, err := d.OpenSub(name)
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

// OpenSub opens a directory in it.
func (d *Dir) OpenSub(name string) (*os.File, error) {
	fd, err := unix.Openat(d.FD(), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.Path+"/"+name), nil
}

// Inside is a path in the directory that fits a socket address whatever the
// length of --root: through the open directory.
func (d *Dir) Inside(name string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", d.f.Fd(), name) }

// Remove deletes the directory; the lock ends with it.
func (d *Dir) Remove() error {
	defer d.Close()
	// What is always there first; to look what else is costs more.
	for _, name := range []string{RecordFile, SpecFile, PidLink, groupLink} {
		_ = unix.Unlinkat(d.FD(), name, 0)
	}
	err := unix.Unlinkat(int(d.root.dir.Fd()), d.ID, unix.AT_REMOVEDIR)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		if err = d.empty(); err == nil {
			err = unix.Unlinkat(int(d.root.dir.Fd()), d.ID, unix.AT_REMOVEDIR)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the container's state %s: %w", d.Path, err)
	}
	return nil
}

// empty removes all that is in the directory, and never what a link in it leads to.
func (d *Dir) empty() error {
	in, err := os.OpenRoot(d.Inside("."))
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
func (d *Dir) names() ([]string, error) {
	f, err := d.OpenSub(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}
