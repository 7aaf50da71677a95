package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"sandbox/pkg/spec"
)

// Write records the state: complete or not at all, also on a full disk.
func (d *Dir) Write(rec *Record) error {
	// A link is made whole or not at all, in one call.
	if err := unix.Symlinkat(fmt.Sprintf("%d %d %s", rec.Pid, rec.Begin, rec.Boot), d.FD(), PidLink); err != nil {
		return err
	}
	return d.Rewrite(rec)
}

// Rewrite replaces a record that is there: a reader sees the old one or the new one.
func (d *Dir) Rewrite(rec *Record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	const tmp = RecordFile + newSuffix
	err = WriteAt(d.f, tmp, b, 0o600)
	if err == nil {
		err = unix.Renameat(d.FD(), tmp, d.FD(), RecordFile)
	}
	if err != nil {
		_ = unix.Unlinkat(d.FD(), tmp, 0)
	}
	return err
}

// WriteAt writes a file in a directory of ours. Plain calls: package os sets up its poller for every file.
func WriteAt(dir *os.File, name string, b []byte, mode uint32) error {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err != nil {
		return &fs.PathError{Op: "open", Path: dir.Name() + "/" + name, Err: err}
	}
	// Whatever our umask is.
	err = unix.Fchmod(fd, mode)
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
		return &fs.PathError{Op: "write", Path: dir.Name() + "/" + name, Err: err}
	}
	return nil
}

// recordLimit is far above any record we write.
const recordLimit = 16 << 20

// Read reads the record, of which only we can be the writer. fs.ErrNotExist means that creation never got that far.
func (d *Dir) Read() (*Record, error) {
	path := d.Path + "/" + RecordFile
	b, err := d.readFile(RecordFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, err
	case errors.Is(err, ErrUnfit):
		return nil, fmt.Errorf("%s is not a state file of ours; `delete --force` removes the container", path)
	case err != nil:
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	rec := Record{Cgroup: d.Placed()}
	if err := spec.Decode(b, &rec); err != nil {
		return nil, fmt.Errorf("%s is damaged (%w); `delete --force` removes the container", path, err)
	}
	if rec.ID != d.ID {
		return nil, fmt.Errorf("%s is damaged (its id is %q); `delete --force` removes the container", path, rec.ID)
	}
	return &rec, nil
}

// ErrUnfit is what cannot be a file that we have written.
var ErrUnfit = errors.New("not a file of ours")

// readFile reads a file of ours. Nothing is waited for, whatever is there.
func (d *Dir) readFile(name string) ([]byte, error) {
	fd, err := unix.Openat(d.FD(), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) {
		return nil, ErrUnfit
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size > recordLimit || NotOurs(&st) != "" {
		return nil, ErrUnfit
	}
	// It is replaced and never changed.
	b := make([]byte, st.Size)
	for done := 0; done < len(b); {
		n, err := unix.Pread(fd, b[done:], int64(done))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, err
		case n == 0:
			return nil, io.ErrUnexpectedEOF
		}
		done += max(0, n)
	}
	return b, nil
}
