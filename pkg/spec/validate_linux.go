package spec

import (
	"fmt"
	"os"
	"path"
	"sort"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const namespaceTypes = "pid network mount ipc uts user cgroup time"

func checkLinux(s *specs.Spec) error {
	if s.Linux == nil {
		return invalid("linux", "missing: want at least its namespaces")
	}
	for _, check := range []func(*specs.Linux) error{
		checkNamespaces, checkMappings, checkSysctl, checkPaths, checkDevices, checkDeviceRules, checkNumbers, checkTime, checkWords,
		checkPersonality, checkMemoryPolicy, checkNetDevices, checkIntelRdt,
	} {
		if err := check(s.Linux); err != nil {
			return err
		}
	}
	return nil
}

func checkNamespaces(l *specs.Linux) error {
	seen := map[specs.LinuxNamespaceType]bool{}
	for i, ns := range l.Namespaces {
		at := fmt.Sprintf("linux.namespaces[%d]", i)
		switch {
		case !oneOf(string(ns.Type), namespaceTypes):
			return invalid(at+".type", "unknown namespace %q, want one of %s", ns.Type, namespaceTypes)
		case seen[ns.Type]:
			return invalid(at+".type", "%s is given twice", ns.Type)
		}
		seen[ns.Type] = true
		if ns.Path != "" {
			if err := absolute(at+".path", ns.Path); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkMappings is stricter than runc 1.1 and crun, which ignore mappings when the user namespace is
// forgotten: the payload would then be the host's root, not the one that was asked for.
func checkMappings(l *specs.Linux) error {
	if err := checkExtents("linux.uidMappings", l.UIDMappings); err != nil {
		return err
	}
	if err := checkExtents("linux.gidMappings", l.GIDMappings); err != nil {
		return err
	}
	user, has := namespace(l, specs.UserNamespace)
	for _, m := range []struct {
		field string
		n     int
	}{{"linux.uidMappings", len(l.UIDMappings)}, {"linux.gidMappings", len(l.GIDMappings)}} {
		if m.n > 0 && !has {
			return invalid(m.field, "needs a user namespace in linux.namespaces")
		}
		if m.n == 0 && has && user.Path == "" {
			return invalid(m.field, "missing: the user namespace in linux.namespaces needs mappings")
		}
	}
	return nil
}

// maxExtents is the kernel's limit (user_namespaces(7)): 340 lines since Linux 4.15.
const maxExtents = 340

func checkExtents(field string, extents []specs.LinuxIDMapping) error {
	if len(extents) > maxExtents {
		return invalid(field, "has %d entries, the kernel takes %d", len(extents), maxExtents)
	}
	for i, e := range extents {
		at := fmt.Sprintf("%s[%d]", field, i)
		if e.Size == 0 {
			return invalid(at+".size", "must be 1 or more")
		}
		// 4294967295 is no id, so the last one that can be mapped is one less.
		if uint64(e.ContainerID)+uint64(e.Size) > 1<<32-1 || uint64(e.HostID)+uint64(e.Size) > 1<<32-1 {
			return invalid(at+".size", "%d ids reach beyond 4294967294", e.Size)
		}
		for j, o := range extents[:i] {
			if overlap(e.ContainerID, o.ContainerID, e.Size, o.Size) {
				return invalid(at+".containerID", "overlaps with %s[%d]", field, j)
			}
			if overlap(e.HostID, o.HostID, e.Size, o.Size) {
				return invalid(at+".hostID", "overlaps with %s[%d]", field, j)
			}
		}
	}
	return nil
}

func overlap(a, b, sizeA, sizeB uint32) bool {
	return uint64(a) < uint64(b)+uint64(sizeB) && uint64(b) < uint64(a)+uint64(sizeA)
}

// checkSysctl lets through what belongs to a namespace of the container: anything else would change the
// host. The list is the kernel's; runc and crun have the same.
func checkSysctl(l *specs.Linux) error {
	keys := make([]string, 0, len(l.Sysctl))
	for key := range l.Sysctl {
		keys = append(keys, key)
	}
	sort.Strings(keys) // the same configuration always gives the same error
	for _, key := range keys {
		at := fmt.Sprintf("linux.sysctl[%q]", key)
		path, need := SysctlPath(key)
		switch {
		case path == "kernel/pid_max":
			return invalid(at, "belongs to a pid namespace since Linux 6.14 only, and would change the host before; not set by this version")
		case need == "":
			return invalid(at, "is not in any namespace, it would change the host")
		case path == "kernel/hostname":
			return invalid(at, "use hostname instead")
		case !hasNamespace(l, need):
			return invalid(at, "needs a %s namespace in linux.namespaces", need)
		case strings.IndexByte(l.Sysctl[key], 0) >= 0:
			return invalid(at, "NUL byte in %q", l.Sysctl[key])
		}
	}
	return nil
}

// SysctlPath is the file of a sysctl below /proc/sys and the kind of namespace it belongs to, "" where it is
// not in any. It takes both spellings of sysctl(8), a.b/c and a/b.c: the first separator decides. Empty and
// dotted components would climb out of the directory of the key.
func SysctlPath(key string) (string, specs.LinuxNamespaceType) {
	name := key
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		name = strings.Map(func(r rune) rune {
			switch r {
			case '.':
				return '/'
			case '/':
				return '.'
			}
			return r
		}, key)
	}
	return name, sysctlNamespace(strings.Split(name, "/"))
}

func sysctlNamespace(parts []string) specs.LinuxNamespaceType {
	for _, p := range parts {
		if p == "" || p == "." || p == ".." || strings.ContainsAny(p, "\x00\n ") {
			return ""
		}
	}
	switch {
	case len(parts) > 1 && parts[0] == "net":
		return specs.NetworkNamespace
	case len(parts) > 2 && parts[0] == "fs" && parts[1] == "mqueue":
		return specs.IPCNamespace
	case len(parts) == 2 && parts[0] == "user": // how many namespaces may be made from here on
		return specs.UserNamespace
	case len(parts) != 2 || parts[0] != "kernel":
		return ""
	case oneOf(parts[1], "msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced"):
		return specs.IPCNamespace
	case oneOf(parts[1], "domainname hostname"):
		return specs.UTSNamespace
	}
	return ""
}

func checkPaths(l *specs.Linux) error {
	for i, p := range l.MaskedPaths {
		if err := absolute(fmt.Sprintf("linux.maskedPaths[%d]", i), p); err != nil {
			return err
		}
		if path.Clean(p) == "/" {
			return invalid(fmt.Sprintf("linux.maskedPaths[%d]", i), "nothing would be left of the container")
		}
	}
	for i, p := range l.ReadonlyPaths {
		if err := absolute(fmt.Sprintf("linux.readonlyPaths[%d]", i), p); err != nil {
			return err
		}
	}
	return nil
}

func checkDevices(l *specs.Linux) error {
	for i, d := range l.Devices {
		at := fmt.Sprintf("linux.devices[%d]", i)
		if err := absolute(at+".path", d.Path); err != nil {
			return err
		}
		if !oneOf(d.Type, "b c u p") {
			return invalid(at+".type", "unknown type %q, want b, c, u or p", d.Type)
		}
		// dev_t in the kernel: 12 bits and 20 bits (include/linux/kdev_t.h).
		if d.Type != "p" && (d.Major < 0 || d.Major >= 1<<12 || d.Minor < 0 || d.Minor >= 1<<20) {
			return invalid(at, "no such device number: %d:%d", d.Major, d.Minor)
		}
		if d.FileMode != nil && *d.FileMode&^(0o7777|os.FileMode(unix.S_IFMT)) != 0 {
			return invalid(at+".fileMode", "no such mode: %d", uint32(*d.FileMode))
		}
		if (d.UID != nil && *d.UID == ^uint32(0)) || (d.GID != nil && *d.GID == ^uint32(0)) {
			return invalid(at, "%w", errNoID)
		}
	}
	return nil
}

func checkDeviceRules(l *specs.Linux) error {
	if l.Resources == nil {
		return nil
	}
	for i, d := range l.Resources.Devices {
		at := fmt.Sprintf("linux.resources.devices[%d]", i)
		if d.Type != "" && !oneOf(d.Type, "a b c") {
			return invalid(at+".type", "unknown type %q, want a, b or c", d.Type)
		}
		if strings.Trim(d.Access, "rwma") != "" { // "a", of the types, gives nothing, as with runc
			return invalid(at+".access", "want letters of rwm, is %q", d.Access)
		}
	}
	return nil
}

// checkNumbers: -1 is "no limit" wherever a limit is signed; smaller numbers mean nothing.
func checkNumbers(l *specs.Linux) error {
	r := l.Resources
	if r == nil {
		return nil
	}
	if m := r.Memory; m != nil {
		for _, v := range []struct {
			name  string
			value *int64
		}{{"limit", m.Limit}, {"reservation", m.Reservation}, {"swap", m.Swap}} {
			if v.value != nil && *v.value < -1 {
				return invalid("linux.resources.memory."+v.name, "must be -1 (no limit) or more, is %d", *v.value)
			}
		}
	}
	if r.Pids != nil && r.Pids.Limit != nil && *r.Pids.Limit < -1 {
		return invalid("linux.resources.pids.limit", "must be -1 (no limit) or more, is %d", *r.Pids.Limit)
	}
	if b := r.BlockIO; b != nil && b.Weight != nil && *b.Weight != 0 && (*b.Weight < 10 || *b.Weight > 1000) {
		return invalid("linux.resources.blockIO.weight", "must be from 10 to 1000, is %d", *b.Weight)
	}
	return nil
}

func checkTime(l *specs.Linux) error {
	for clock, off := range l.TimeOffsets {
		at := fmt.Sprintf("linux.timeOffsets[%q]", clock)
		switch {
		case !oneOf(clock, "monotonic boottime"):
			return invalid(at, "unknown clock, want monotonic or boottime")
		case off.Nanosecs > 999_999_999:
			return invalid(at+".nanosecs", "must be less than a second, is %d", off.Nanosecs)
		case !hasNamespace(l, specs.TimeNamespace):
			return invalid(at, "needs a time namespace in linux.namespaces")
		}
	}
	return nil
}

func checkWords(l *specs.Linux) error {
	if l.CgroupsPath != "" {
		if err := text("linux.cgroupsPath", l.CgroupsPath); err != nil {
			return err
		}
	}
	if l.RootfsPropagation != "" && !oneOf(l.RootfsPropagation, propagations) {
		return invalid("linux.rootfsPropagation", "unknown propagation %q, want one of %s", l.RootfsPropagation, propagations)
	}
	return nil
}

const propagations = "private rprivate slave rslave shared rshared unbindable runbindable"
