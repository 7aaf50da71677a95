package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// exeVariable tells a sealed copy where the program really is: a descriptor of it, -1 where there is none, and its path. By
// the path alone somebody who can rename the directories above could have another one protected from the command.
const exeVariable = "_SANDBOX_EXE"

// original is what exeVariable says: the program that this process is a copy of. Its fd is not for our children.
type original struct {
	fd   int
	path string // "" where this process is no copy
}

func findOriginal(value string) original {
	number, path, ok := strings.Cut(value, " ")
	fd, err := strconv.Atoi(number)
	if !ok || err != nil {
		return original{fd: -1}
	}
	if fd >= 0 {
		unix.CloseOnExec(fd)
	}
	return original{fd, path}
}

// open is a handle of it, or of the program of this process where that is no copy.
func (o original) open() (*handle.Handle, error) {
	switch {
	case o.path == "":
		return handle.Open("/proc/self/exe")
	case o.fd < 0:
		return handle.Open(o.path)
	}
	return handle.Of(o.fd, o.path)
}

// seals make a memfd read-only for good, for everybody (fcntl(2)).
const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// seal continues in a read-only copy of this program when the container's user
// could write the original. Between fork and exec, and with a payload of
// "#!/proc/self/exe" beyond that, /proc/PID/exe inside the container is this
// file, reached through the host's mount and not through a read-only one
// (CVE-2019-5736). A file owned by somebody else than the caller, root's say,
// needs no copy: whoever the payload is, it has no more right to it than the
// caller has. The copy costs a second start, about 4 ms.
func seal() error {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/exe", &st); err != nil {
		return nil // no /proc: nothing can be opened through it either
	}
	writable := unix.Faccessat(unix.AT_FDCWD, "/proc/self/exe", unix.W_OK, unix.AT_EACCESS) == nil
	if int(st.Uid) != os.Geteuid() && !writable {
		return nil
	}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	if have, err := unix.FcntlInt(self.Fd(), unix.F_GET_SEALS, 0); err == nil && have&seals == seals {
		self.Close()
		// The kernel named us after the descriptor we were started from. Where /proc is read-only that stays.
		_ = os.WriteFile("/proc/self/comm", []byte("sandbox"), 0)
		return nil
	}
	copied, err := sealedCopy(self, st.Size)
	if err != nil {
		return fmt.Errorf("make a sealed copy of this program: %w", err)
	}
	path, _ := os.Readlink("/proc/self/exe")
	// Behind what the caller has passed on from 3 on. Not far: a table of more than 64 descriptors is a new one, and a
	// process with threads waits 8 ms for that (expand_fdtable in fs/file.c).
	number, err := unix.FcntlInt(self.Fd(), unix.F_DUPFD, 32)
	if err != nil {
		number = -1
	}
	env := slices.DeleteFunc(os.Environ(), func(e string) bool { return len(e) > len(exeVariable) && e[:len(exeVariable)+1] == exeVariable+"=" })
	err = unix.Exec(fmt.Sprintf("/proc/self/fd/%d", copied), os.Args, append(env, fmt.Sprintf("%s=%d %s", exeVariable, number, path)))
	return fmt.Errorf("start the sealed copy of this program: %w", err)
}

func sealedCopy(self *os.File, size int64) (int, error) {
	fd, err := unix.MemfdCreate("sandbox", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate("sandbox", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING) // before Linux 6.3
	}
	if err != nil {
		return -1, err
	}
	for done := int64(0); done < size; {
		n, err := unix.Sendfile(fd, int(self.Fd()), nil, int(size-done))
		if err != nil {
			return -1, err
		}
		if n == 0 {
			return -1, fmt.Errorf("the program's file became shorter")
		}
		done += int64(n)
	}
	return fd, addSeals(fd)
}

// addSeals makes a memfd unchangeable. Nobody but us has it; but the kernel refuses while something of its own holds one of the
// pages, such as compaction on a busy machine, after it has waited a while for that (memfd_wait_for_pins in mm/memfd.c).
func addSeals(fd int) (err error) {
	for range 10 {
		if _, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); !errors.Is(err, unix.EBUSY) {
			break
		}
	}
	return err
}
