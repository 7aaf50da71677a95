package kernel

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/helper"
	"sandbox/pkg/printable"
	"sandbox/pkg/proc"
)

// Host is where evidence is read. The zero value is the real host; tests point
// the fields at folders.
type Host struct {
	Proc string // "" is /proc
	Sys  string // "" is /sys
	Dev  string // "" is /dev
	Run  string // "" is /run
	Var  string // "" is /var
	Tmp  string // "" is /tmp

	// Exe is the path of this program as an admin would write it into a
	// profile. "" asks /proc/self/exe.
	Exe string

	// Name is the login name of a uid, "" for none; nil looks into /etc/passwd.
	Name func(uid uint32) string

	// Helpers finds the programs that Check looks for; nil is a new one.
	Helpers *helper.Finder

	// Try does an operation for real in a throw-away child and returns how it
	// ended, nil for success. nil tries what a clone can try without this
	// package knowing plans (a user namespace, its single id map, a mount in
	// it) and answers [ErrNotTried] to the rest.
	Try func(Op) error

	// Filtered asks whether a system call is answered by a seccomp filter and
	// not by the kernel. nil makes a malformed call (see filtered) when Proc is
	// the real one, and does not know otherwise.
	Filtered func(call string) (yes, known bool)

	// Landlock is the version of that interface; nil asks the kernel.
	Landlock func() int

	// lstat and access are the owner and permission questions of RuntimeDir
	// and Check; tests answer them for users they cannot become.
	lstat  func(path string, st *unix.Stat_t) error
	access func(path string, mode uint32) error
}

// A file of /proc is as long as its owner makes it: a mount table has a line
// for each mount, and 100,000 of them are possible (fs.mount-max).

func (h Host) proc(name string) string { return filepath.Join(orRoot(h.Proc, "/proc"), name) }
func (h Host) sys(name string) string  { return filepath.Join(orRoot(h.Sys, "/sys"), name) }
func (h Host) dev(name string) string  { return filepath.Join(orRoot(h.Dev, "/dev"), name) }

func orRoot(dir, root string) string { return pick(dir == "", root, dir) }

// read returns the file without the white space around it; "" when it cannot be
// read, because evidence that cannot be seen is no evidence.
func read(path string) string {
	data, err := proc.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// sysctl reads a value by its dotted name, as people write it.
func (h Host) sysctl(name string) string {
	return read(h.proc("sys/" + strings.ReplaceAll(name, ".", "/")))
}

// seen is the evidence line of a sysctl.
func seen(name, value string) string { return name + " = " + value }

// label is our AppArmor or SELinux label, "" when no such module is active. The
// directory of the own module comes first: attr/current belongs to whichever
// module claimed it (LSM stacking, Linux 5.8).
func (h Host) label() string {
	own := read(h.proc("self/attr/apparmor/current"))
	return strings.Trim(pick(own != "", own, read(h.proc("self/attr/current"))), "\x00\n ")
}

func (h Host) selinuxEnforcing() bool { return read(h.sys("fs/selinux/enforce")) == "1" }

func (h Host) release() string { return h.sysctl("kernel.osrelease") }

// olderThan5 compares a release such as "5.10.0-23-amd64" with Linux 5.minor. A
// release that cannot be read as a version is not older.
func olderThan5(release string, minor int) bool {
	head, rest, _ := strings.Cut(release, ".")
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	a, err := strconv.Atoi(head)
	b, err2 := strconv.Atoi(rest[:end])
	if err != nil || err2 != nil {
		return false
	}
	return a < 5 || a == 5 && b < minor
}

// exe is our path for a profile, "" when it is not one an admin can use: a
// sealed copy runs from a memfd, and a replaced binary shows as deleted.
func (h Host) exe() string {
	path := h.Exe
	if path == "" {
		path, _ = os.Readlink(h.proc("self/exe"))
	}
	path = strings.TrimSuffix(path, " (deleted)")
	if !filepath.IsAbs(path) || strings.HasPrefix(path, "/memfd:") || path != printable.Text(path) {
		return ""
	}
	return path
}

func (h Host) stat(path string, st *unix.Stat_t) error {
	if h.lstat != nil {
		return h.lstat(path, st)
	}
	return unix.Lstat(path, st)
}

// may is access(2) with the effective ids, as the operation itself would be
// judged; a read-only file system answers EROFS here too.
func (h Host) may(path string, mode uint32) bool {
	if h.access != nil {
		return h.access(path, mode) == nil
	}
	return unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS) == nil
}
