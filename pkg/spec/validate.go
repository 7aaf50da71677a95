package spec

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// invalid is the form of every complaint: the field's path, then what is wrong with it.
func invalid(field, format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{field}, args...)...)
}

// Validate finds what cannot work in a configuration for the bundle directory, before anything has been
// started, and without any privilege. The error is one line that names the field; only the first is told.
// It accepts what runc and crun accept unless the result would be something other than what was
// asked for. It does not look at whether hook programs exist (they may live on another mount then) and
// leaves seccomp, cgroup values and mount options to those who apply them.
func Validate(s *specs.Spec, bundle string) error {
	paths := handle.Set{}
	defer paths.Close()
	return ValidateIn(paths, s, bundle)
}

// ValidateIn is Validate for a start that uses the very files that are looked at here, the root for one: paths has those
// that are open already, the bundle among them, and gets more.
func ValidateIn(paths handle.Set, s *specs.Spec, bundle string) error {
	if s.Process == nil {
		return invalid("process", "missing")
	}
	if s.Root == nil {
		return invalid("root", "missing")
	}
	for _, check := range []func(*specs.Spec) error{
		checkMounts, checkHooks, checkAnnotations, checkLinux, checkNames,
	} {
		if err := check(s); err != nil {
			return err
		}
	}
	if err := ValidateProcess(s.Process, s); err != nil {
		return err
	}
	return checkRoot(s, bundle, paths)
}

// checkRoot follows a symbolic link at root.path, as crun does and podman needs for links above it; runc
// 1.1 refuses one ("invalid rootfs: not an absolute path, or a symlink"). Nothing is lost: whoever can
// write the link can write root.path.
func checkRoot(s *specs.Spec, bundle string, paths handle.Set) error {
	if err := text("root.path", s.Root.Path); err != nil {
		return err
	}
	dir := rootDir(s, bundle)
	root, err := OpenRoot(paths, s, bundle)
	var at *os.PathError
	switch {
	case errors.As(err, &at):
		return invalid("root.path", "%w", &os.PathError{Op: "stat", Path: dir, Err: at.Err})
	case err != nil:
		return invalid("root.path", "%w", err)
	case !root.IsDir():
		return invalid("root.path", "%s is %s: %w", dir, kindOf(root.Mode), unix.ENOTDIR)
	}
	if !ownerMapped(s.Linux, root.UID) {
		if err := unix.Faccessat(unix.AT_FDCWD, root.Name(), unix.X_OK, unix.AT_EACCESS); err != nil {
			return invalid("root.path", "cannot enter %s: %w", dir, err)
		}
	}
	return checkHostRoot(s, dir, root.ID)
}

func rootDir(s *specs.Spec, bundle string) string {
	if filepath.IsAbs(s.Root.Path) {
		return s.Root.Path
	}
	return filepath.Join(bundle, s.Root.Path)
}

// OpenRoot opens root.path, once for all who look at it. A relative path begins at the bundle that is open.
func OpenRoot(paths handle.Set, s *specs.Spec, bundle string) (*handle.Handle, error) {
	dir, typed := rootDir(s, bundle), s.Root.Path
	if in := paths[bundle]; in != nil && !filepath.IsAbs(typed) && paths[dir] == nil {
		root, err := in.Open(typed)
		if err != nil {
			return nil, err
		}
		return paths.Add(dir, root), nil
	}
	return paths.Open(dir)
}

// ownerMapped: root in a user namespace passes over the mode bits of files whose owner is mapped
// (capable_wrt_inode_uidgid), so the caller being refused says nothing.
func ownerMapped(l *specs.Linux, owner uint32) bool {
	if l == nil {
		return false
	}
	for _, m := range l.UIDMappings {
		if owner >= m.HostID && uint64(owner) < uint64(m.HostID)+uint64(m.Size) {
			return true
		}
	}
	return false
}

// checkHostRoot: pivot_root(2) onto the root we already have fails with EBUSY, in runc and crun too. A
// mount on "/" puts something else there.
func checkHostRoot(s *specs.Spec, dir string, root handle.ID) error {
	if !isHostRoot(root) {
		return nil
	}
	for _, m := range s.Mounts {
		if path.Clean(m.Destination) == "/" {
			return nil
		}
	}
	return invalid("root.path", "%s is this host's own root: use `sandbox run -- CMD` for the host's tree", dir)
}

func checkMounts(s *specs.Spec) error {
	for i, m := range s.Mounts {
		at := fmt.Sprintf("mounts[%d]", i)
		if err := absolute(at+".destination", m.Destination); err != nil {
			return err
		}
		for _, v := range append([]string{m.Source, m.Type}, m.Options...) {
			if strings.ContainsAny(v, "\x00\n") {
				return invalid(at, "NUL byte or newline in %q", v)
			}
		}
		if err := checkExtents(at+".uidMappings", m.UIDMappings); err != nil {
			return err
		}
		if err := checkExtents(at+".gidMappings", m.GIDMappings); err != nil {
			return err
		}
	}
	return nil
}

func checkHooks(s *specs.Spec) error {
	if s.Hooks == nil {
		return nil
	}
	h := s.Hooks
	for _, stage := range []struct {
		name  string
		hooks []specs.Hook
	}{
		{"prestart", h.Prestart}, // deprecated, yet what most hooks use
		{"createRuntime", h.CreateRuntime}, {"createContainer", h.CreateContainer},
		{"startContainer", h.StartContainer}, {"poststart", h.Poststart}, {"poststop", h.Poststop},
	} {
		for i, hook := range stage.hooks {
			if err := checkHook(fmt.Sprintf("hooks.%s[%d]", stage.name, i), hook); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkHook(at string, h specs.Hook) error {
	if err := absolute(at+".path", h.Path); err != nil {
		return err
	}
	// runc runs a hook with a timeout of 0 or less and then calls it late: refuse before.
	if h.Timeout != nil && *h.Timeout <= 0 {
		return invalid(at+".timeout", "must be 1 second or more, is %d", *h.Timeout)
	}
	const most = math.MaxInt64 / int64(time.Second)
	if h.Timeout != nil && int64(*h.Timeout) > most {
		return invalid(at+".timeout", "must be at most %d seconds, is %d", most, *h.Timeout)
	}
	for i, v := range h.Env {
		if strings.IndexByte(v, 0) < 0 && (!strings.Contains(v, "=") || v[0] == '=') {
			return invalid(fmt.Sprintf("%s.env[%d]", at, i), "want NAME=VALUE, is %q", v)
		}
	}
	for _, v := range append(append([]string(nil), h.Args...), h.Env...) {
		if strings.IndexByte(v, 0) >= 0 {
			return invalid(at, "NUL byte in %q", v)
		}
	}
	return nil
}

func checkAnnotations(s *specs.Spec) error {
	if _, has := s.Annotations[""]; has {
		return invalid("annotations", "empty key")
	}
	return nil
}

// checkNames: sethostname(2) takes 64 bytes at most, and would rename the host without a namespace.
func checkNames(s *specs.Spec) error {
	for _, n := range []struct{ field, value string }{{"hostname", s.Hostname}, {"domainname", s.Domainname}} {
		switch {
		case n.value == "":
			continue
		case len(n.value) > 64:
			return invalid(n.field, "must be 64 bytes at most, has %d", len(n.value))
		case !hasNamespace(s.Linux, specs.UTSNamespace):
			return invalid(n.field, "needs a uts namespace in linux.namespaces")
		}
		if err := text(n.field, n.value); err != nil {
			return err
		}
	}
	if s.Domainname == "" || s.Linux == nil {
		return nil
	}
	for key := range s.Linux.Sysctl {
		if path, _ := SysctlPath(key); path == "kernel/domainname" {
			return invalid(fmt.Sprintf("linux.sysctl[%q]", key), "conflicts with domainname")
		}
	}
	return nil
}

// absolute wants an absolute path without NUL or newline (a newline would forge lines of mountinfo-like
// listings and logs; mount(8) cannot express it either).
func absolute(field, p string) error {
	if err := text(field, p); err != nil {
		return err
	}
	if p[0] != '/' {
		return invalid(field, "must be absolute, is %q", p)
	}
	if len(p) >= unix.PathMax {
		return invalid(field, "is longer than %d bytes: %w", unix.PathMax-1, unix.ENAMETOOLONG)
	}
	return nil
}

func text(field, v string) error {
	if v == "" {
		return invalid(field, "missing or empty")
	}
	if strings.ContainsAny(v, "\x00\n") {
		return invalid(field, "NUL byte or newline in %q", v)
	}
	return nil
}

func hasNamespace(l *specs.Linux, t specs.LinuxNamespaceType) bool {
	_, ok := namespace(l, t)
	return ok
}

// namespace returns the entry for t.
func namespace(l *specs.Linux, t specs.LinuxNamespaceType) (specs.LinuxNamespace, bool) {
	if l != nil {
		for _, ns := range l.Namespaces {
			if ns.Type == t {
				return ns, true
			}
		}
	}
	return specs.LinuxNamespace{}, false
}

// errNoID: 4294967295 is (uid_t)-1, which setresuid(2) takes for "leave as it is". crun runs the payload as
// root then.
var errNoID = errors.New("4294967295 is not an id")
