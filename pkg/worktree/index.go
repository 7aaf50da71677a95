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
	if len(index) < 12+hash || string(index[:4]) != "DIRC" {
		return errIndex
	}
	version, count := binary.BigEndian.Uint32(index[4:]), binary.BigEndian.Uint32(index[8:])
	if version < 2 || version > 4 || uint64(count) > uint64(len(index)) {
		return errIndex
	}
	r := indexReader{data: index, at: 12, version: version, hash: hash, starts: make(map[uint32]bool)}
	for range count {
		name, dir, err := r.next()
		if err != nil {
			return err
		}
		if refused(name, dir) {
			return fmt.Errorf("has the path %s", Quote(name))
		}
	}
	return r.tables()
}

// indexReader is at an entry of an index.
type indexReader struct {
	data    []byte
	at      int
	version uint32
	hash    int
	name    []byte
	starts  map[uint32]bool // where a block of entries may begin
}

// next reads an entry: ten numbers of 32 bits, of which the seventh is the mode, the object's name, flags, and the path.
func (r *indexReader) next() (name string, dir bool, err error) {
	const numbers, extended, most = 40, 0x4000, 0xfff
	start, path := r.at, r.at+numbers+r.hash+2
	if path+2 > len(r.data) {
		return "", false, errIndex
	}
	if r.starts[uint32(start)] = true; uint64(start) > 1<<32-1 {
		return "", false, errIndex
	}
	mode, flags := binary.BigEndian.Uint32(r.data[start+24:]), binary.BigEndian.Uint16(r.data[path-2:])
	if flags&extended != 0 {
		if path += 2; r.version < 3 {
			return "", false, errIndex
		}
	}
	n, length := r.path(r.data[path:])
	if path += n; length < 0 {
		return "", false, errIndex
	}
	if said := int(flags & most); said != min(len(r.name), most) { // by which git goes, where it is less than the most
		return "", false, errIndex
	}
	if r.at = path + length + 1; r.version < 4 {
		r.at = start + (path+length-start+8)&^7
	}
	const typeOf, directory = 0o170000, 0o040000
	return string(r.name), mode&typeOf == directory, nil
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

// begin says whether entries begin where a table of offsets has it: a version, and pairs of an offset and a count.
func (r *indexReader) begin(table []byte) bool {
	for table = table[min(4, len(table)):]; len(table) >= 8; table = table[8:] {
		if !r.starts[binary.BigEndian.Uint32(table)] {
			return false
		}
	}
	return true
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

// hashLength is how long the names of a repository's objects are, in bytes.
func hashLength(git *handle.Handle) int {
	if hasName(git, "commondir") { // a linked work tree's, see [walk.ownWorktree]
		if repository, err := git.Open("../.."); err == nil {
			defer repository.Close()
			git = repository
		}
	}
	data, _ := readBelow(git, "config")
	vars, _ := parseConfig(data)
	for _, v := range vars {
		if v.name() == "extensions.objectformat" && strings.EqualFold(v.value, "sha256") {
			return 32
		}
	}
	return 20
}

// index decides about an index, or what several have in common (sharedindex.*), that was written since: where git would
// follow it into its own directory, it is moved aside, and `git reset` makes one anew.
func (w *walk) index(l *level, name string) {
	git := &handle.Handle{FD: l.fd}
	path := w.in(l, name)
	if !w.anew(git, name) || w.excepted(path) {
		return
	}
	data, err := readUpTo(git, name, mostIndex, noLinks)
	switch {
	case errors.Is(err, unix.ENOENT):
		return
	case errors.Is(err, errTooLarge):
		w.told = append(w.told, Quote(path)+" is too large to be looked at: run git reset before you go on")
		return
	case err == nil:
		if err = checkIndex(data, hashLength(git)); err == nil {
			return
		}
	}
	w.told = append(w.told, moved(missing{git, name, path}, fmt.Sprintf("was changed, and %v: git outside could write into its own directory by it, and makes it anew by git reset", err)))
}
