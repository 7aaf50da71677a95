package worktree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// mostIndex bounds what is read of an index, in bytes: one of a million files has 100 MB.
const mostIndex = 512 << 20

// errIndex is an index that git did not write.
var errIndex = errors.New("is not one that git writes")

// checkIndex says what is wrong with an index (gitformat-index(5)): a path in it leads into a git directory or out of the
// work tree. Git refuses to add such a path, and believes an index that has it: the next `git restore .` writes a hook. hash
// is the length of an object's name in bytes.
func checkIndex(index []byte, hash int) error {
	if hash == 0 {
		return errors.New("cannot be read, for the configuration does not say plainly what object names are")
	}
	if len(index) < 12+hash || string(index[:4]) != "DIRC" {
		return errIndex
	}
	version, count := binary.BigEndian.Uint32(index[4:]), binary.BigEndian.Uint32(index[8:])
	if version < 2 || version > 4 || uint64(count) > uint64(len(index)) {
		return errIndex
	}
	r := indexReader{data: index, at: 12, version: version, hash: hash}
	if err := r.entries(count); err != nil {
		return err
	}
	return r.tables()
}

// entries looks at so many of them.
func (r *indexReader) entries(count uint32) error {
	for range count {
		e, err := r.next()
		switch {
		case err != nil:
			return err
		case refused(e.name, e.dir):
			return fmt.Errorf("has the path %s", Quote(e.name))
		case e.hidden:
			return fmt.Errorf("has the path %s, which git shows nowhere", Quote(e.name))
		}
	}
	return nil
}

// indexReader is at an entry of an index.
type indexReader struct {
	data    []byte
	at      int
	version uint32
	hash    int
	name    []byte
	starts  []start
}

// start is where an entry begins, and whether it says all of its path.
type start struct {
	at    uint32
	whole bool
}

// indexEntry is what counts of an entry.
type indexEntry struct {
	name   string
	dir    bool
	hidden bool // taken for unchanged, and for what is only meant to be added: git status and git diff pass over it
}

// next reads an entry: ten numbers of 32 bits, of which the seventh is the mode, the object's name, flags, and the path.
func (r *indexReader) next() (e indexEntry, err error) {
	const numbers, unchanged, extended, meant, most = 40, 0x8000, 0x4000, 0x2000, 0xfff
	begin, path := r.at, r.at+numbers+r.hash+2
	if path+2 > len(r.data) || uint64(begin) > 1<<32-1 {
		return e, errIndex
	}
	mode, flags := binary.BigEndian.Uint32(r.data[begin+24:]), binary.BigEndian.Uint16(r.data[path-2:])
	if flags&extended != 0 {
		e.hidden = flags&unchanged != 0 && binary.BigEndian.Uint16(r.data[path:])&meant != 0
		if path += 2; r.version < 3 {
			return e, errIndex
		}
	}
	before := len(r.name)
	n, length := r.path(r.data[path:])
	if path += n; length < 0 || len(r.name) > unix.PathMax {
		return e, errIndex
	}
	r.starts = append(r.starts, start{uint32(begin), length == len(r.name) || before == 0})
	if said := int(flags & most); said != min(len(r.name), most) { // by which git goes, where it is less than the most
		return e, errIndex
	}
	if r.at = path + length + 1; r.version < 4 {
		r.at = begin + (path+length-begin+8)&^7
	}
	const typeOf, directory = 0o170000, 0o040000
	e.name, e.dir = string(r.name), mode&typeOf == directory
	return e, nil
}

// path reads the path of an entry: version 4 has the number of characters before it by which the last one ends otherwise. n
// is what the number takes, and length what is read of the path, -1 for none.
func (r *indexReader) path(data []byte) (n, length int) {
	strip := len(r.name)
	if r.version == 4 {
		if strip, n = offset(data); n == 0 || strip > len(r.name) {
			return n, -1
		}
	}
	if length = bytes.IndexByte(data[n:], 0); length >= 0 {
		r.name = append(r.name[:len(r.name)-strip], data[n:n+length]...)
	}
	return n, length
}

// offset reads a number as packs have it (gitformat-pack(5), "offset encoding"), and says how many bytes it has: 0 for none.
func offset(data []byte) (value, n int) {
	for n < len(data) && n < 5 {
		b := data[n]
		if n++; n > 1 {
			value++
		}
		if value = value<<7 | int(b&0x7f); b&0x80 == 0 {
			return value, n
		}
	}
	return 0, 0
}

// tables looks at what tells git where entries begin, with which it reads them in several threads: where else they are.
func (r *indexReader) tables() error {
	end := len(r.data) - r.hash
	if r.at > end {
		return errIndex
	}
	eoie := end - 8 - 4 - r.hash
	if eoie >= r.at && string(r.data[eoie:eoie+4]) == "EOIE" && uint64(binary.BigEndian.Uint32(r.data[eoie+8:])) != uint64(r.at) {
		return errIndex
	}
	for at := r.at; at+8 <= end; {
		size := uint64(binary.BigEndian.Uint32(r.data[at+4:]))
		if size > uint64(end-at-8) {
			return errIndex
		}
		next := at + 8 + int(size)
		if string(r.data[at:at+4]) == "IEOT" && !r.begin(r.data[at+8:next]) {
			return errIndex
		}
		at = next
	}
	return nil
}

// begin says whether the blocks of a table, a version and pairs of an offset and a count, are the entries as they are: each
// begins with one that says all of its path, for a thread knows of no entry before, and all of them are in one.
func (r *indexReader) begin(table []byte) bool {
	entry := 0
	for table = table[min(4, len(table)):]; len(table) >= 8; table = table[8:] {
		if entry >= len(r.starts) || r.starts[entry].at != binary.BigEndian.Uint32(table) || r.version == 4 && !r.starts[entry].whole {
			return false
		}
		count := binary.BigEndian.Uint32(table[4:])
		if count == 0 || uint64(count) > uint64(len(r.starts)-entry) {
			return false
		}
		entry += int(count)
	}
	return entry == len(r.starts)
}

// ignored are the characters that HFS+ takes no notice of in a name.
var ignored = strings.NewReplacer("\u200c", "", "\u200d", "", "\u200e", "", "\u200f", "", "\u202a", "", "\u202b", "", "\u202c", "", "\u202d", "", "\u202e", "",
	"\u206a", "", "\u206b", "", "\u206c", "", "\u206d", "", "\u206e", "", "\u206f", "", "\ufeff", "")

// refused says whether git would refuse to add a path (verify_path in its read-cache.c): a part of it is a git directory for
// some file system, or leads up. That of a directory, in a sparse index, ends with a slash; one that stands for a path of the
// index that several have in common is empty.
func refused(path string, dir bool) bool {
	if path == "" {
		return false
	}
	if dir {
		path = strings.TrimSuffix(path, "/")
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return true
		}
		if c := part[0]; c != '.' && c != 'g' && c != 'G' && c < 0x80 {
			continue
		}
		part = strings.ToLower(ignored.Replace(part))
		if i := strings.IndexAny(part, `:\`); i >= 0 {
			part = part[:i]
		}
		if part = strings.TrimRight(part, " ."); part == ".git" || part == "git~1" {
			return true
		}
	}
	return false
}

// hashLength is how long the names of a repository's objects are, in bytes; 0 where its configuration does not say so plainly.
func hashLength(git *handle.Handle) int {
	if hasName(git, "commondir") { // a linked work tree's, see [walk.ownWorktree]
		if repository, err := git.Open("../.."); err == nil {
			defer repository.Close()
			git = repository
		}
	}
	data, err := readBelow(git, "config")
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return 0
	}
	vars, err := parseConfig(data)
	if err != nil {
		return 0
	}
	length, said := 20, 0
	for _, v := range vars {
		if v.name() != "extensions.objectformat" {
			continue
		}
		if said++; v.value == "sha256" {
			length = 32
		}
		if said > 1 || v.value != "sha1" && v.value != "sha256" {
			return 0
		}
	}
	return length
}

// index decides about an index, or what several have in common (sharedindex.*): where git would follow it into its own
// directory, it is moved aside, and `git reset` makes one anew.
func (w *walk) index(l *level, name string, id handle.ID) {
	git := &handle.Handle{FD: l.fd}
	path := w.in(l, name)
	if w.indexes[id] || w.excepted(path) {
		return
	}
	if w.indexes == nil {
		w.indexes = map[handle.ID]bool{}
	}
	data, err := readUpTo(git, name, mostIndex, noLinks)
	switch {
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EISDIR):
		return
	case errors.Is(err, errTooLarge):
		w.told = append(w.told, Quote(path)+" is too large to be looked at: run git reset before you go on")
		return
	case err == nil:
		if err = checkIndex(data, hashLength(git)); err == nil {
			w.indexes[id] = true
			return
		}
	}
	w.told = append(w.told, moved(missing{git, name, path}, fmt.Sprintf("was changed, and %v: git outside could write into its own directory by it, and makes it anew by git reset", err)))
}
