package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// RuntimeDir is where the state of containers lives for this caller. The rule
// follows the XDG base directory specification and what clients of OCI runtimes
// rely on: root of the host is never moved by an environment that su leaked,
// and an empty XDG_RUNTIME_DIR (podman as root sets one) counts as none.
//
// Nothing is created but the fallback in /tmp, which must be made by us to be
// ours; for the others the caller makes the last element. cause is a notice for
// the fallback, nil otherwise. err is a [Refusal] where a fix is known.
func (h Host) RuntimeDir(env func(string) string, euid int, initialUserns bool) (dir string, cause *Cause, err error) {
	if !initialUserns {
		// Who is nobody in here would make a directory that the real nobody finds, and cannot use.
		if c, unmapped := usernsUnmapped(&sight{Host: h, errno: unix.EPERM, self: h.Self()}); unmapped {
			return "", nil, &Refusal{c, fmt.Errorf("choose a directory for state: %w", unix.EPERM)}
		}
	}
	dir, cause, err = h.chooseRuntimeDir(env, euid, initialUserns)
	if err == nil && cause != nil {
		err = h.makeOurs(dir, euid)
	}
	if err != nil {
		return "", nil, err
	}
	return dir, cause, nil
}

// stateName is the directory of ours in one for everybody's.
const stateName = "sandbox"

func (h Host) chooseRuntimeDir(env func(string) string, euid int, initialUserns bool) (string, *Cause, error) {
	run, xdg := orRoot(h.Run, "/run"), env("XDG_RUNTIME_DIR")
	var seen []string
	if euid == 0 {
		if initialUserns {
			return filepath.Join(run, stateName), nil, nil
		}
		if env("USER") != "root" && h.ours(xdg, euid) == "" {
			return filepath.Join(xdg, stateName), nil, nil
		}
		if h.may(run, unix.W_OK|unix.X_OK) {
			return filepath.Join(run, stateName), nil, nil
		}
		seen = []string{run + " is not writable"}
	} else {
		user := filepath.Join(run, "user", strconv.Itoa(euid))
		for _, try := range [...][2]string{{"XDG_RUNTIME_DIR", xdg}, {"the usual directory", user}} {
			why := h.ours(try[1], euid)
			if why == "" {
				return filepath.Join(try[1], stateName), nil, nil
			}
			seen = append(seen, try[0]+" "+why)
		}
	}
	cause := fill(RuntimeFallback, []string{"UID", strconv.Itoa(euid)}, seen...)
	dir, err := h.fallbackDir(euid)
	return dir, &cause, err
}

// RuntimeDirs are all that [Host.RuntimeDir] may choose for this caller until the machine is booted again, whatever the
// environment is by then. Where none is yet, a command that ran here before may make one.
func (h Host) RuntimeDirs(env func(string) string, euid int) (dirs []string) {
	run := orRoot(h.Run, "/run")
	if euid == 0 {
		dirs = append(dirs, filepath.Join(run, stateName))
	}
	if xdg := env("XDG_RUNTIME_DIR"); filepath.IsAbs(xdg) {
		dirs = append(dirs, filepath.Join(xdg, stateName))
	}
	dirs = append(dirs, filepath.Join(run, "user", strconv.Itoa(euid), stateName))
	if dir, err := h.fallbackDir(euid); err == nil {
		dirs = append(dirs, dir)
	}
	return dirs
}

// ours says why a directory cannot be the parent of ours, "" when it can. Clean
// matters: a trailing slash would make lstat follow a symlink.
func (h Host) ours(dir string, euid int) string {
	if dir == "" {
		return "is not set"
	}
	name := strconv.QuoteToGraphic(dir)
	if !filepath.IsAbs(dir) {
		return name + " is not absolute"
	}
	var st unix.Stat_t
	switch err := h.stat(filepath.Clean(dir), &st); {
	case errors.Is(err, fs.ErrNotExist):
		return name + " is missing"
	case err != nil:
		return name + " cannot be read"
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return name + " is a symlink"
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return name + " is no directory"
	case int64(st.Uid) != int64(euid):
		return fmt.Sprintf("%s belongs to uid %d", name, st.Uid)
	}
	return ""
}

// OursAlone is a [Refusal] unless the runtime directory, which is open, belongs to us and
// nobody else can write it. Its name was looked at before; what counts is what was opened.
func (h Host) OursAlone(fd int, dir string, euid int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("using runtime directory %q: %w", dir, err)
	}
	why := ""
	switch name := strconv.QuoteToGraphic(dir); {
	case int64(st.Uid) != int64(euid):
		why = fmt.Sprintf("%s belongs to uid %d", name, st.Uid)
	case st.Mode&0o022 != 0:
		why = fmt.Sprintf("%s can be written by others (mode %04o)", name, st.Mode&0o7777)
	default:
		return nil
	}
	return foreignDir(dir, why)
}

// foreignDir refuses a directory. EPERM is ours: what the kernel would say if it knew
// whose state this is.
func foreignDir(dir, why string) error {
	return &Refusal{fill(RuntimeForeign, []string{"PATH", shellWord(dir)}, why),
		fmt.Errorf("using runtime directory %q: %w", dir, unix.EPERM)}
}

// fallbackDir is keyed by the boot, since /tmp may survive one and state must
// not: after a reboot every pid in it is somebody else's.
func (h Host) fallbackDir(euid int) (string, error) {
	const digits = 8
	boot := h.sysctl("kernel.random.boot_id")
	if len(boot) < digits || strings.Trim(boot[:digits], "0123456789abcdef") != "" {
		return "", fmt.Errorf("naming the runtime directory: %s holds no boot id: use --root DIR", h.proc("sys/kernel/random/boot_id"))
	}
	return filepath.Join(orRoot(h.Tmp, "/tmp"), "sandbox-"+strconv.Itoa(euid)+"-"+boot[:digits]), nil
}

// makeOurs creates dir, or takes one that only we can have made: mkdir never
// follows a symlink, and in a sticky /tmp nobody can replace what is ours.
func (h Host) makeOurs(dir string, euid int) error {
	if err := unix.Mkdir(dir, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		err = fmt.Errorf("creating runtime directory %q: %w", dir, err)
		return h.Because(Op{Do: UseRuntime, Path: filepath.Dir(dir), Call: "mkdirat"}, err)
	}
	why := h.ours(dir, euid)
	var st unix.Stat_t
	if why == "" && h.stat(dir, &st) == nil && st.Mode&0o077 != 0 {
		why = fmt.Sprintf("%q is open to others (mode %04o)", dir, st.Mode&0o7777)
	}
	if why == "" {
		return nil
	}
	return foreignDir(dir, why)
}
