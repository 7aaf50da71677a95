package handle

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestShelve: what is held for its inode number alone has no descriptor any more, and is held all the same.
func TestShelve(t *testing.T) {
	dir := t.TempDir()
	open := func(name string) *Handle {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	s := Set{}
	kept, covered, named, needed := open("kept"), open("covered"), open("named"), open("needed")
	s.Keep(kept)
	s.Cover("/covered", covered)
	s.Add("/named", named)
	s.Take("/named", named)
	s.Keep(needed)
	s.Shelve([]*Handle{needed})
	if kept.FD != -1 || covered.FD != -1 {
		t.Errorf("descriptors %d and %d stay", kept.FD, covered.FD)
	}
	for _, h := range []*Handle{named, needed} {
		if h.Now() == "" {
			t.Errorf("%s cannot be looked at any more", h.Path)
		}
	}
	if s.Covered("/covered") != covered {
		t.Error("it is not known any more")
	}
	// The removed file is in the message.
	if err := os.Remove(kept.Path); err != nil {
		t.Fatal(err)
	}
	var shelf *Handle
	for _, h := range s {
		var st unix.Stat_t
		if h.FD >= 0 && unix.Fstat(h.FD, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK {
			shelf = h
		}
	}
	if shelf == nil {
		t.Fatal("there is no message")
	}
	oob := make([]byte, unix.CmsgSpace(8))
	_, n, _, _, err := unix.Recvmsg(shelf.FD, make([]byte, 1), oob, unix.MSG_PEEK|unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		t.Fatal(len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 2 {
		t.Fatal(fds, err)
	}
	found := false
	for _, fd := range fds {
		h, err := Of(fd, "shelved")
		if err != nil {
			t.Fatal(err)
		}
		found = found || h.ID == kept.ID
		h.Close()
	}
	if !found {
		t.Error("what was removed is not held")
	}
	s.Close()
	if err := unix.Fstat(shelf.FD, new(unix.Stat_t)); !errors.Is(err, unix.EBADF) {
		t.Error("the message is still there")
	}
}
