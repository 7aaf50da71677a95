package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"sandbox/pkg/spec"
)

// Write records the state: complete or not at all, also on a full disk. It comes after WriteSpec: with it there is a container.
func (d *Dir) Write(rec *Record) error {
	// A link is made whole or not at all, in one call.
	if err := unix.Symlinkat(rec.pidLink(), d.FD(), PidLink); err != nil {
		return err
	}
	return d.replaceRecord(rec)
}

// Rewrite replaces a record that is there: a reader sees the old one or the new one. Its spec stays.
func (d *Dir) Rewrite(rec *Record) error {
	if rec.Format != recordFormat && rec.Spec != nil {
		if err := d.WriteSpec(rec.Spec, rec.Seccomp); err != nil {
			return err
		}
	}
	return d.replaceRecord(rec)
}

func (d *Dir) replaceRecord(rec *Record) error {
	rec.Format = recordFormat
	return d.replace(RecordFile, rec)
}

// replace writes a file of the record.
func (d *Dir) replace(name string, v any) error {
	b, err := spec.Encode(v)
	if err == nil && len(b) > recordLimit {
		err = fmt.Errorf("the configuration is too large: %s would have %d bytes, and %d is the most that is read again", name, len(b), recordLimit)
	}
	if err != nil {
		return err
	}
	tmp := name + newSuffix
	err = WriteAt(d.f, tmp, b, 0o600)
	if err == nil {
		err = unix.Renameat(d.FD(), tmp, d.FD(), name)
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

// recordLimit is the most that a file of a record may have, bytes: what is written is read again, and nobody else's file is
// read without end. A configuration has half of it at most.
const recordLimit = 16 << 20

// Read reads the record without its spec. Only we can be its writer. fs.ErrNotExist means that creation never got that far.
func (d *Dir) Read() (*Record, error) {
	rec := Record{Cgroup: d.Placed()}
	b, err := d.decode(RecordFile, &rec)
	if err != nil {
		return nil, err
	}
	if rec.ID != d.ID {
		return nil, d.damaged(RecordFile, fmt.Errorf("its id is %q", rec.ID))
	}
	if rec.Format != recordFormat {
		if err := rec.recallFormer(b); err != nil {
			return nil, d.damaged(RecordFile, err)
		}
	}
	return &rec, nil
}

// decode reads a file of the record into v.
func (d *Dir) decode(name string, v any) ([]byte, error) {
	b, err := d.readFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, err
	case errors.Is(err, ErrUnfit):
		return nil, fmt.Errorf("%s/%s is not a state file of ours; `delete --force` removes the container", d.Path, name)
	case err != nil:
		return nil, &fs.PathError{Op: "read", Path: d.Path + "/" + name, Err: err}
	}
	if err := spec.Decode(b, v); err != nil {
		return nil, d.damaged(name, err)
	}
	return b, nil
}

func (d *Dir) damaged(name string, why error) error {
	return fmt.Errorf("%s/%s is damaged (%w); `delete --force` removes the container", d.Path, name, why)
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
