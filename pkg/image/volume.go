package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Volumes are directories that outlive containers, by names. They lie where podman has its own (volume_path of
// containers.conf(5), unless somebody changes it): volumes/NAME/_data in the store. Beside that lies what we write down of ours.
// A volume without it is podman's: it is used, and nothing else.

// volumeMark says that a volume is ours, volumeFresh besides that no container has had it yet: it begins with what the first
// one's image has in its place.
const volumeMark, volumeFresh = "sandbox", "sandbox-fresh"

// VolumeName says whether a word names one, as podman has it.
func VolumeName(word string) bool {
	const first = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return word != "" && len(word) <= unix.NAME_MAX && strings.Contains(first, word[:1]) && strings.Trim(word, first+"_.-") == ""
}

// VolumesPath is where all of them are.
func (s *Store) VolumesPath() string { return filepath.Join(s.Graph, "volumes") }

// VolumePath is the directory with what is in one.
func (s *Store) VolumePath(name string) string { return filepath.Join(s.VolumesPath(), name, "_data") }

// OwnVolume says whether a volume is there, and ours.
func (s *Store) OwnVolume(name string) bool {
	_, err := os.Lstat(filepath.Join(s.VolumesPath(), name, volumeMark))
	return err == nil && VolumeName(name)
}

// HasVolume says whether a volume is there, ours or podman's.
func (s *Store) HasVolume(name string) bool {
	return VolumeName(name) && isDir(s.VolumePath(name)) == nil
}

// OwnVolumes are the names of those that are ours.
func (s *Store) OwnVolumes() (names []string) {
	entries, _ := os.ReadDir(s.VolumesPath()) // there may be none
	for _, e := range entries {
		if s.OwnVolume(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

// Volume is one that is locked.
type Volume struct {
	Name  string
	Fresh bool // ours, and nobody has had it yet
	Made  bool // by this call
	dir   string
	fd    int
	mark  []byte
}

// volumeNote is what is written down of a volume of ours.
type volumeNote struct {
	Labels map[string]string `json:"labels,omitempty"`
}

// VolumeLabels are what was typed with --label when a volume of ours was made.
func (s *Store) VolumeLabels(name string) map[string]string {
	var note volumeNote
	if data, err := read(filepath.Join(s.VolumesPath(), name, volumeMark), maxConfig); err == nil && len(data) > 0 {
		_ = json.Unmarshal(data, &note) // it has none then
	}
	return note.Labels
}

// NewVolume makes a volume with labels, and locks it. One that is there is [os.ErrExist].
func (s *Store) NewVolume(name string, labels map[string]string) (*Volume, error) {
	mark, err := json.Marshal(volumeNote{labels})
	if err != nil {
		return nil, err
	}
	v, err := s.volume(name, mark)
	if err == nil && !v.Made {
		v.Unlock()
		return nil, os.ErrExist
	}
	return v, err
}

// Volume makes a volume, unless it is there, and locks it: nobody fills or removes it meanwhile.
func (s *Store) Volume(name string) (*Volume, error) { return s.volume(name, nil) }

func (s *Store) volume(name string, mark []byte) (*Volume, error) {
	if !VolumeName(name) {
		return nil, fmt.Errorf("%q is no name of a volume: letters, digits and _.- that begin with a letter or digit", name)
	}
	if err := os.MkdirAll(s.VolumesPath(), 0o700); err != nil {
		return nil, err
	}
	v := &Volume{Name: name, dir: filepath.Join(s.VolumesPath(), name), mark: mark}
	for range 100 { // one that is removed meanwhile is made again
		err := v.make()
		if err == nil {
			err = v.lock()
		}
		if !errors.Is(err, unix.ENOENT) {
			if err != nil {
				return nil, fmt.Errorf("volume %s: %w", name, err)
			}
			return v, nil
		}
	}
	return nil, fmt.Errorf("volume %s is removed all the time", name)
}

// halfVolume is how the names of volumes begin that are being made, or were when somebody was killed.
const halfVolume = ".new-"

// DropHalfVolumes removes those. Whoever still makes one begins again.
func (s *Store) DropHalfVolumes() error {
	entries, _ := os.ReadDir(s.VolumesPath()) // there may be none
	var err error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), halfVolume) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(s.VolumesPath(), e.Name())))
		}
	}
	return err
}

// make makes it under another name, so that it is there as a whole or not at all.
func (v *Volume) make() error {
	if _, err := os.Lstat(v.dir); err == nil {
		return nil
	}
	temp, err := os.MkdirTemp(filepath.Dir(v.dir), halfVolume)
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	data := filepath.Join(temp, "_data")
	err = errors.Join(os.Mkdir(data, 0o700), os.Chmod(data, 0o755))
	err = errors.Join(err, os.WriteFile(filepath.Join(temp, volumeMark), v.mark, 0o600), os.WriteFile(filepath.Join(temp, volumeFresh), nil, 0o600))
	if err != nil {
		return err
	}
	if err := os.Rename(temp, v.dir); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return err
	} else if err == nil {
		v.Made = true
	}
	return nil
}

// lock waits for whoever has it. ENOENT is one that was removed meanwhile.
func (v *Volume) lock() error {
	fd, err := unix.Open(v.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	v.fd = fd
	if err := v.flock(unix.LOCK_EX); err != nil {
		v.Unlock()
		return err
	}
	_, err = os.Lstat(filepath.Join(v.dir, volumeFresh))
	v.Fresh = err == nil
	return nil
}

// flock waits for a lock of the directory, which must still be there then. ENOENT is one that is not.
func (v *Volume) flock(how int) error {
	var own, there unix.Stat_t
	if err := retried(func() error { return unix.Flock(v.fd, how) }); err != nil {
		return err
	}
	if err := errors.Join(unix.Fstat(v.fd, &own), unix.Lstat(v.dir, &there)); err != nil {
		return err
	}
	if own.Ino != there.Ino {
		return unix.ENOENT
	}
	return nil
}

func retried(f func() error) (err error) {
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = f()
	}
	return err
}

// Begin says that a container has it from now on. Others may, too; it is not removed before Unlock. ENOENT is one that was removed
// while the one lock became the other.
func (v *Volume) Begin() error {
	if err := os.Remove(filepath.Join(v.dir, volumeFresh)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return v.flock(unix.LOCK_SH)
}

// Undo removes it where this call has made it and there is nothing in it.
func (v *Volume) Undo() {
	if !v.Made || os.Remove(filepath.Join(v.dir, "_data")) != nil {
		return
	}
	for _, name := range []string{volumeFresh, volumeMark, ""} {
		_ = os.Remove(filepath.Join(v.dir, name))
	}
}

// Inherit has the lock held by a program that this process becomes.
func (v *Volume) Inherit() error {
	_, err := unix.FcntlInt(uintptr(v.fd), unix.F_SETFD, 0)
	return err
}

// Unlock lets go of it.
func (v *Volume) Unlock() { unix.Close(v.fd) }
