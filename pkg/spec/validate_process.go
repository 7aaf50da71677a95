package spec

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// KeepGroups is the annotation with which podman (--group-add keep-groups) and crun ask for the caller's
// supplementary groups to be left alone; its value is "1" then.
const KeepGroups = "run.oci.keep_original_groups"

// ValidateProcess checks a process by itself: that of a configuration, or one for exec into the container
// that s describes.
func ValidateProcess(p *specs.Process, s *specs.Spec) error {
	for _, check := range []func(*specs.Process) error{
		checkArgs, checkEnv, checkTerminal, checkRlimits, checkScheduling, checkLabels, checkAmbient,
	} {
		if err := check(p); err != nil {
			return err
		}
	}
	if err := absolute("process.cwd", p.Cwd); err != nil {
		return err
	}
	return checkUser(p, s)
}

func checkArgs(p *specs.Process) error {
	if len(p.Args) == 0 {
		return invalid("process.args", "missing or empty")
	}
	for i, a := range p.Args {
		if strings.IndexByte(a, 0) >= 0 {
			return invalid(fmt.Sprintf("process.args[%d]", i), "NUL byte in %q", a)
		}
	}
	return nil
}

// checkEnv is as strict as runc. crun drops the "A" without "=" silently, keeps "=B" and cuts at a NUL.
func checkEnv(p *specs.Process) error {
	for i, e := range p.Env {
		at := fmt.Sprintf("process.env[%d]", i)
		name, _, ok := strings.Cut(e, "=")
		switch {
		case !ok:
			return invalid(at, `must be NAME=VALUE, is %q`, e)
		case name == "":
			return invalid(at, "empty name in %q", e)
		case strings.IndexByte(e, 0) >= 0:
			return invalid(at, "NUL byte in %q", e)
		}
	}
	return nil
}

// checkTerminal: a size without a terminal is to be ignored (config.md, "consoleSize"), and runc and crun
// do. Refused is only what TIOCSWINSZ (ioctl_tty(2), unsigned short) cannot hold.
func checkTerminal(p *specs.Process) error {
	if p.ConsoleSize != nil && p.Terminal && (p.ConsoleSize.Height > 0xffff || p.ConsoleSize.Width > 0xffff) {
		return invalid("process.consoleSize", "must be 65535 by 65535 at most, is %d by %d", p.ConsoleSize.Height, p.ConsoleSize.Width)
	}
	return nil
}

// rlimitNames is every limit of getrlimit(2), as the shells' ulimit and podman's --ulimit call it.
const rlimitNames = " as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack "

func checkRlimits(p *specs.Process) error {
	seen := map[string]bool{}
	for i, r := range p.Rlimits {
		at := fmt.Sprintf("process.rlimits[%d]", i)
		name, ok := strings.CutPrefix(r.Type, "RLIMIT_")
		switch {
		case !ok || name != strings.ToUpper(name) || !knownRlimit(strings.ToLower(name)):
			return invalid(at+".type", "unknown limit %q", r.Type)
		case seen[r.Type]:
			return invalid(at+".type", "%s is given twice", r.Type)
		case r.Soft > r.Hard:
			return invalid(at+".soft", "must not be above hard: %d > %d", r.Soft, r.Hard)
		}
		seen[r.Type] = true
	}
	return nil
}

func knownRlimit(name string) bool {
	return name != "" && !strings.Contains(name, " ") && strings.Contains(rlimitNames, " "+name+" ")
}

// checkAmbient: capability names nobody knows are accepted here, see [UnknownCapabilities]. Only a NUL
// or blank, which no name has, is refused.
func checkAmbient(p *specs.Process) error {
	for _, name := range UnknownCapabilities(p.Capabilities) {
		if name == "" || strings.ContainsAny(name, "\x00 \n") {
			return invalid("process.capabilities", "%q is not a capability's name", name)
		}
	}
	if c := p.Capabilities; c != nil {
		if more := without(c.Effective, c.Permitted); len(more) > 0 {
			return invalid("process.capabilities.effective", "%s is not among the permitted ones (capabilities(7))", strings.Join(more, " "))
		}
	}
	return nil
}

func checkUser(p *specs.Process, s *specs.Spec) error {
	const none = ^uint32(0)
	u := p.User
	if u.UID == none {
		return invalid("process.user.uid", "%w", errNoID)
	}
	if u.GID == none {
		return invalid("process.user.gid", "%w", errNoID)
	}
	if u.Umask != nil && *u.Umask > 0o777 {
		return invalid("process.user.umask", "must be 0777 (511) at most, is %#o", *u.Umask)
	}
	var uids, gids []specs.LinuxIDMapping
	if s != nil && s.Linux != nil {
		uids, gids = s.Linux.UIDMappings, s.Linux.GIDMappings
	}
	if !mapped(uids, u.UID) {
		return invalid("process.user.uid", "%d is not in linux.uidMappings (%s)", u.UID, extentsText(uids))
	}
	if !mapped(gids, u.GID) {
		return invalid("process.user.gid", "%d is not in linux.gidMappings (%s)", u.GID, extentsText(gids))
	}
	if s != nil && s.Annotations[KeepGroups] == "1" {
		return nil // additionalGids are not looked at then
	}
	for i, g := range u.AdditionalGids {
		at := fmt.Sprintf("process.user.additionalGids[%d]", i)
		if g == none {
			return invalid(at, "%w", errNoID)
		}
		if !mapped(gids, g) {
			return invalid(at, "%d is not in linux.gidMappings (%s)", g, extentsText(gids))
		}
	}
	return nil
}

// mapped tells whether a container id exists; without mappings (no user namespace, or a joined one) all do.
func mapped(extents []specs.LinuxIDMapping, id uint32) bool {
	for _, e := range extents {
		if id >= e.ContainerID && uint64(id) < uint64(e.ContainerID)+uint64(e.Size) {
			return true
		}
	}
	return len(extents) == 0
}

func extentsText(extents []specs.LinuxIDMapping) string {
	parts := make([]string, 0, len(extents))
	for i, e := range extents {
		if i == 5 {
			parts = append(parts, "...")
			break
		}
		if e.Size == 1 {
			parts = append(parts, fmt.Sprint(e.ContainerID))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", e.ContainerID, uint64(e.ContainerID)+uint64(e.Size)-1))
		}
	}
	return "there are " + strings.Join(parts, ", ")
}

func oneOf(v, list string) bool {
	blank := func(i int) bool {
		return i < 0 || i >= len(list) || list[i] == ' ' || list[i] == '\n' || list[i] == '\t'
	}
	if v == "" || strings.ContainsAny(v, " \n\t") {
		return false
	}
	for at := 0; ; at++ {
		i := strings.Index(list[at:], v)
		if i < 0 {
			return false
		}
		if at += i; blank(at-1) && blank(at+len(v)) {
			return true
		}
	}
}
