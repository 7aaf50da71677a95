package tests

import (
	encoding "encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"
)

// fillKeys CMD runs a command whose user has no key left to make: the session keyring, which goes with it, holds all.
func fillKeys(args []string) error {
	if _, err := unix.KeyctlJoinSessionKeyring("codes"); err != nil {
		return err
	}
	for n := 0; ; n++ {
		_, err := unix.AddKey("user", "key"+strconv.Itoa(n), []byte{0}, unix.KEY_SPEC_SESSION_KEYRING)
		if errors.Is(err, unix.EDQUOT) {
			break
		}
		if err != nil {
			return fmt.Errorf("key %d: %w", n, err)
		}
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return unix.Exec(program, args, os.Environ())
}

// withFuse DIR CMD runs a command while a file system of FUSE is mounted at DIR that keeps no extended attributes.
func withFuse(args []string) (int, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	options := fmt.Sprintf("fd=%d,rootmode=40755,user_id=0,group_id=0", fd)
	if err := unix.Mount("codes", args[0], "fuse", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return 0, err
	}
	go serveFuse(fd)
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return runLimited(cmd)
}

// fuseTree are the nodes of such a file system. Nothing in it has a name that something in another directory has.
type fuseTree struct {
	names map[string]uint64
	modes map[uint64]uint32
}

// serveFuse answers until the file system has gone: fuse(4), linux/fuse.h.
func serveFuse(fd int) {
	t := &fuseTree{map[string]uint64{}, map[uint64]uint32{1: unix.S_IFDIR | 0o755}}
	request := make([]byte, 1<<20)
	for {
		n, err := unix.Read(fd, request)
		if err != nil || n < 40 {
			return
		}
		answer, errno := t.answer(encoding.LittleEndian.Uint32(request[4:]), encoding.LittleEndian.Uint64(request[16:]), request[40:n])
		if errno == unix.EINPROGRESS {
			continue
		}
		reply := encoding.LittleEndian.AppendUint32(nil, uint32(16+len(answer)))
		reply = encoding.LittleEndian.AppendUint32(reply, uint32(-int32(errno)))
		if _, err := unix.Write(fd, append(append(reply, request[8:16]...), answer...)); err != nil {
			return
		}
	}
}

// answer is for one request; EINPROGRESS is none.
func (t *fuseTree) answer(opcode uint32, node uint64, data []byte) ([]byte, unix.Errno) {
	switch opcode {
	case 26: // FUSE_INIT: the kernel's own version
		return append(append([]byte{}, data[:8]...), make([]byte, 56)...), 0
	case 1: // FUSE_LOOKUP
		return t.entry(string(data[:len(data)-1]))
	case 8: // FUSE_MKNOD
		return t.make(string(data[16:len(data)-1]), encoding.LittleEndian.Uint32(data))
	case 9: // FUSE_MKDIR
		return t.make(string(data[8:len(data)-1]), unix.S_IFDIR|encoding.LittleEndian.Uint32(data))
	case 10, 11: // FUSE_UNLINK, FUSE_RMDIR
		delete(t.names, string(data[:len(data)-1]))
		return nil, 0
	case 3, 4: // FUSE_GETATTR, FUSE_SETATTR
		return append(make([]byte, 16), t.attributes(node)...), 0
	case 17: // FUSE_STATFS
		return append(make([]byte, 44), append([]byte{255}, make([]byte, 35)...)...), 0
	case 2, 42: // FUSE_FORGET, FUSE_BATCH_FORGET
		return nil, unix.EINPROGRESS
	case 28, 34: // FUSE_READDIR, FUSE_ACCESS
		return nil, 0
	case 45: // FUSE_RENAME2
		return nil, unix.EINVAL
	}
	return nil, unix.ENOSYS
}

func (t *fuseTree) make(name string, mode uint32) ([]byte, unix.Errno) {
	id := uint64(len(t.modes) + 1)
	t.names[name], t.modes[id] = id, mode
	return t.entry(name)
}

// entry is a struct fuse_entry_out.
func (t *fuseTree) entry(name string) ([]byte, unix.Errno) {
	id, ok := t.names[name]
	if !ok {
		return nil, unix.ENOENT
	}
	return append(encoding.LittleEndian.AppendUint64(nil, id), append(make([]byte, 32), t.attributes(id)...)...), 0
}

// attributes are a struct fuse_attr.
func (t *fuseTree) attributes(node uint64) []byte {
	attr := make([]byte, 88)
	encoding.LittleEndian.PutUint64(attr, node)
	encoding.LittleEndian.PutUint32(attr[60:], t.modes[node])
	encoding.LittleEndian.PutUint32(attr[64:], 2)
	return attr
}
