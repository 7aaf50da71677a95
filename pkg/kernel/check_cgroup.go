package kernel

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// groupOf is where a container's group would be made, for evidence, and what controllers there are.
type groupOf struct{ path, controllers string }

func (h Host) checkCgroup() (Finding, groupOf) {
	f := Finding{Feature: "cgroup v2", State: OK}
	all, op := h.mounts("self"), Op{Do: UseCgroup}
	if len(all) == 0 {
		f.State, f.Detail = Unknown, "no mount table"
		return f, groupOf{}
	}
	if cgroupTree(all) != "v2" {
		return h.foretold(f.Feature, op, unix.ENOENT, "no cgroup v2 at /sys/fs/cgroup"), groupOf{}
	}
	path := h.cgroupPath()
	group := h.sys("fs/cgroup/" + path)
	// A path that climbs is a group outside of our cgroup namespace.
	if strings.HasPrefix(path, "/..") || !h.may(group, unix.W_OK|unix.X_OK) || !h.may(group+"/cgroup.procs", unix.W_OK) {
		if given, ok := h.managed(); ok {
			f.Detail = "your systemd gives groups below " + given.path
			return f, given
		}
		return h.foretold(f.Feature, op, unix.EACCES, "our group is not ours to write"), groupOf{}
	}
	f.Detail = path + " is ours"
	return f, groupOf{path, read(group + "/cgroup.controllers")}
}

// managed is what a systemd of the caller's can give: a login session's own group is
// root's, and new ones are asked of the user's manager.
func (h Host) managed() (groupOf, bool) {
	uid := strconv.Itoa(int(h.Self().EUID))
	run := filepath.Join(orRoot(h.Run, "/run"), "user", uid)
	if !h.may(filepath.Join(run, "systemd/private"), unix.W_OK) && !h.may(filepath.Join(run, "bus"), unix.W_OK) {
		return groupOf{}, false
	}
	path := "/user.slice/user-" + uid + ".slice/user@" + uid + ".service"
	return groupOf{path, read(h.sys("fs/cgroup" + path + "/cgroup.controllers"))}, true
}

// checkControllers has a line for each limit that a flag can ask for.
func (h Host) checkControllers(group Finding, of groupOf) []Finding {
	have := strings.Fields(of.controllers)
	var found []Finding
	for _, limit := range [...]struct{ name, flag string }{
		{"memory", "--memory"}, {"cpu", "--cpus"}, {"pids", "--pids-limit"}, {"cpuset", "--cpuset-cpus"}, {"io", "--blkio-weight"},
	} {
		f := Finding{Feature: "limit of " + limit.name, State: OK, Detail: limit.flag + " can be set"}
		switch {
		case group.State != OK:
			f.State, f.Detail = group.State, limit.flag+" cannot be set without a group: see "+group.Feature
		case !slices.Contains(have, limit.name):
			cause := h.LackingController(limit.name, of.path, of.controllers)
			f.State, f.Detail, f.Cause = Missing, limit.flag+" cannot be set: no controller "+limit.name+" in "+of.path, &cause
		}
		found = append(found, f)
	}
	return found
}

// checkLinger: systemd ends a user's manager, with the groups below it, and removes /run/user/UID when the last login ends.
func (h Host) checkLinger(self Facts) Finding {
	f := Finding{Feature: "outlives the login", State: OK}
	run := orRoot(h.Run, "/run")
	if _, err := os.Stat(filepath.Join(run, "systemd/system")); err != nil {
		f.Detail = "no systemd here that would end what you leave running"
		return f
	}
	name := h.nameOf(self.EUID)
	if self.EUID == 0 && self.InitialUserns() {
		f.Detail = "root's containers belong to no login"
		return f
	}
	if _, err := os.Stat(filepath.Join(orRoot(h.Var, "/var"), "lib/systemd/linger", name)); name != "" && err == nil {
		f.Detail = "you linger: what you leave running goes on"
		return f
	}
	f.State, f.Detail = Missing, "containers of run -d end, and their state goes, when you log out; fix: (admin) sudo loginctl enable-linger "+pick(name == "", strconv.Itoa(int(self.EUID)), shellWord(name))
	return f
}

// checkScopes is about --network host and --pid host.
func (h Host) checkScopes() Finding {
	const since = 6 // Linux 6.12, landlock(7)
	f := Finding{Feature: "landlock scopes", State: OK, Detail: "kept from abstract sockets with --network host, from signals with --pid host"}
	if abi := h.LandlockABI(); abi < since {
		cause := New(LandlockOld, "the kernel's Landlock has version "+strconv.Itoa(abi)+" of its interface, scopes came with 6")
		f.State, f.Detail, f.Cause = Missing, cause.Evidence[0], &cause
	}
	return f
}
