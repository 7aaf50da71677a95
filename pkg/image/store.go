package image

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Store is where a caller's images are.
type Store struct {
	Graph  string // the store itself, which is written to
	Driver string // "overlay" or "vfs": how its layers lie
	places []place
	caller Caller
}

// place is one directory of images and layers.
type place struct {
	dir, driver string
	readOnly    bool
	shared      func(path string, readOnly bool) (unlock func(), err error) // takes a lock
}

// drivers are those whose layers can be read, the better one first.
var drivers = []string{"overlay", "vfs"}

// Open finds a caller's store. One that does not exist yet has no images.
func Open(c Caller) (*Store, error) {
	conf, err := c.configuration()
	if err != nil {
		return nil, fmt.Errorf("find the store of images: %w", err)
	}
	s := &Store{Graph: conf.graph, caller: c}
	s.Driver = driverOf(conf.graph, conf.driver)
	shared := c.Lock
	if shared == nil {
		shared = lockShared
	}
	for _, dir := range nonEmpty(conf.images, conf.graph) {
		s.places = append(s.places, place{dir: dir, driver: driverOf(dir, conf.driver), shared: shared})
	}
	for _, dir := range conf.others {
		s.places = append(s.places, place{dir: dir, driver: driverOf(dir, conf.driver), shared: shared, readOnly: true})
	}
	return s, nil
}

// driverOf is the driver that a store has been written with: what lies there counts, for a configuration can be newer, and
// Debian's podman writes vfs without one.
func driverOf(dir, asked string) string {
	for _, d := range append(nonEmpty(asked), drivers...) {
		if _, err := os.Stat(filepath.Join(dir, d+"-images/images.json")); err == nil {
			return d
		}
	}
	return cmp.Or(asked, drivers[0])
}

// Image is one that a store has.
type Image struct {
	ID      string    `json:"id"` // of its configuration, 64 hexadecimal digits
	Digest  string    `json:"digest"`
	Names   []string  `json:"names"`
	Top     string    `json:"layer"`
	Created time.Time `json:"created"` // when it came into the store

	Data    []string          `json:"big-data-names"`
	Digests map[string]string `json:"big-data-digests"`
	Sizes   map[string]int64  `json:"big-data-sizes"`

	ReadOnly bool `json:"-"` // it is in an additional store
	place    place
}

// maxList bounds what is read of a list of images, in bytes: 100,000 of them.
const maxList = 256 << 20

// Images are all that can be seen, those of additional stores last.
func (s *Store) Images() ([]*Image, error) {
	var all []*Image
	have := map[string]bool{}
	for _, p := range s.places {
		list, err := p.images()
		if err != nil {
			return nil, err
		}
		for _, i := range list {
			if !have[i.ID] && hex64(i.ID) {
				have[i.ID] = true
				all = append(all, i)
			}
		}
	}
	return all, nil
}

func (p place) images() ([]*Image, error) {
	dir := filepath.Join(p.dir, p.driver+"-images")
	file := filepath.Join(dir, "images.json")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	unlock, err := p.lock(filepath.Join(dir, "images.lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	data, err := read(file, maxList)
	if err != nil {
		return nil, err
	}
	var list []*Image
	if len(data) > 0 {
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	for _, i := range list {
		i.place, i.ReadOnly = p, p.readOnly
	}
	return list, nil
}

// lock keeps others from changing what is read meanwhile. A store on a file system that cannot be written to has nobody who
// could.
func (p place) lock(path string) (unlock func(), err error) {
	unlock, err = p.shared(path, p.readOnly)
	if errors.Is(err, unix.EROFS) || p.readOnly && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOENT)) {
		return func() {}, nil
	}
	return unlock, err
}

// data is what the store keeps of an image under a name.
func (i *Image) data(name string, limit int64) ([]byte, error) {
	return read(filepath.Join(i.place.dir, i.place.driver+"-images", i.ID, fileName(name)), limit)
}

// fileName is how the store writes such a name.
func fileName(name string) string {
	plain := strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.") == ""
	if plain {
		return name
	}
	return "=" + base64.StdEncoding.EncodeToString([]byte(name))
}

// read reads a regular file with a bound, in bytes.
func read(path string, limit int64) ([]byte, error) {
	// Without os.File, which would set up the poller for one read.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	switch err := unix.Fstat(fd, &st); {
	case err != nil:
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, fmt.Errorf("%s: want a regular file", path)
	case st.Size > limit:
		return nil, tooLarge(path, limit)
	}
	data, err := readAll(fd, make([]byte, 0, st.Size+1), limit)
	if err == nil && int64(len(data)) > limit {
		err = tooLarge(path, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

// readAll reads to the end, or more than the limit, for a file may grow.
func readAll(fd int, data []byte, limit int64) ([]byte, error) {
	for {
		n, err := unix.Read(fd, data[len(data):cap(data)])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || n == 0:
			return data, err
		}
		if data = data[:len(data)+n]; int64(len(data)) > limit {
			return data, nil
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
}

func tooLarge(path string, limit int64) error {
	return fmt.Errorf("%s is too large: at most %d bytes are read", path, limit)
}

// hex64 says whether something is written as an id is: it becomes a part of paths.
func hex64(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
