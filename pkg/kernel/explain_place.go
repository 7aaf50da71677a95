package kernel

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroupTree is what is mounted: "v2" (alone), "hybrid", "v1" or "none".
func cgroupTree(all []mount) string {
	// What is on top counts: a private mount hides the tree it was put over.
	if m, found := mountOf(all, "/sys/fs/cgroup"); found && m.fstype == "cgroup2" {
		return "v2"
	}
	v1, v2 := false, false
	for _, m := range all {
		switch m.fstype {
		case "cgroup":
			v1 = true
		case "cgroup2":
			v2 = true
		}
	}
	switch {
	case v1 && v2:
		return "hybrid"
	case v1:
		return "v1"
	case v2:
		return "v2"
	}
	return "none"
}

// cgroupPath is our own group, from the "0::" line of /proc/self/cgroup.
func (h Host) cgroupPath() string {
	for line := range strings.Lines(read(h.proc("self/cgroup"))) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(path, "\n")
		}
	}
	return ""
}

func cgroupNoV2(s *sight) (Cause, bool) {
	all := s.mounts("self")
	tree := cgroupTree(all)
	if !s.is(unix.ENOENT, unix.ENODEV, unix.EACCES, unix.EPERM, unix.EROFS, unix.EOPNOTSUPP) || len(all) == 0 || tree == "v2" {
		return Cause{}, false
	}
	return fill(CgroupNoV2, nil, "cgroups mounted: "+tree), true
}

func cgroupDelegated(s *sight) (Cause, bool) {
	if !s.is(unix.EACCES, unix.EPERM, unix.EROFS) {
		return Cause{}, false
	}
	evidence := []string{"our group is " + s.cgroupPath()}
	if m, found := mountOf(s.mounts("self"), "/sys/fs/cgroup"); found && m.fstype == "cgroup2" && m.has("ro") {
		evidence = append(evidence, "/sys/fs/cgroup is mounted read-only")
	}
	return fill(CgroupDelegated, s.callerVars(), evidence...), true
}

// LackingController is why a controller is not in a group that could have it. On a
// hybrid host it is in a tree of version 1, and no delegation brings it here.
func (h Host) LackingController(name, group, have string) Cause {
	old := pick(name == "io", "blkio", name) // its name there
	for line := range strings.Lines(read(h.proc("cgroups"))) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == old && f[1] != "0" {
			return fill(CgroupNoV2, nil, name+" is in hierarchy "+f[1]+" of version 1 (/proc/cgroups)")
		}
	}
	dir := filepath.Join("/sys/fs/cgroup", filepath.Dir(group))
	return h.Fit(New(CgroupController, "cgroup.controllers of "+group+": "+have), "FLAGS", "+"+name, "PATH", shellWord(dir))
}

func runtimeDirectory(s *sight) (Cause, bool) {
	vars := []string{"PATH", shellWord(s.op.Path)}
	switch s.errno {
	case unix.EROFS:
		return fill(RuntimeReadOnly, vars, s.op.Path), true
	case unix.ENOSPC, unix.EDQUOT:
		return fill(RuntimeFull, vars, s.op.Path, s.space()), true
	case unix.EACCES, unix.EPERM:
		return fill(RuntimeAccess, vars, s.op.Path, fmt.Sprintf("you are uid %d", s.self.EUID)), true
	}
	return Cause{}, false
}

// space tells a full disk from a full table of inodes: the same errno.
func (s *sight) space() string {
	var st unix.Statfs_t
	switch err := unix.Statfs(s.op.Path, &st); {
	case err != nil || s.is(unix.EDQUOT):
		return s.got("writing it")
	case st.Files > 0 && st.Ffree == 0:
		return "no inodes left"
	}
	return fmt.Sprintf("%d KiB left", st.Bavail*uint64(st.Bsize)/1024)
}

func tunDevice(s *sight) (Cause, bool) {
	switch s.errno {
	case unix.ENOENT:
		return fill(TunMissing, nil, s.got("open")), true
	case unix.EACCES, unix.EPERM:
		return fill(TunDenied, nil, s.got("open")), true
	case unix.ENODEV, unix.ENXIO:
		return fill(TunModule, nil, s.got("open"), "this is Linux "+s.release()), true
	}
	return Cause{}, false
}

// procHidden: to an ordinary user such a /proc shows no process that may not be
// traced (proc(5)), and ours may not before it has become the container's.
func procHidden(s *sight) (Cause, bool) {
	if !s.is(unix.ENOENT, unix.EPERM, unix.EACCES) {
		return Cause{}, false
	}
	m, _ := mountOf(s.mounts("self"), "/proc")
	for o := range strings.SplitSeq(m.super, ",") {
		if strings.HasPrefix(o, "hidepid=") && o != "hidepid=off" && o != "hidepid=0" {
			return fill(ProcHidden, nil, "/proc is mounted with "+o, s.got("open")), true
		}
	}
	return Cause{}, false
}
