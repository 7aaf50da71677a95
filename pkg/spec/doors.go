package spec

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/proc"
)

// Whoever may connect to a unix socket has what listens there do things outside: a container engine mounts the host, a
// session bus starts programs. That a file system is read-only keeps nobody from it.

// knownDoors are sockets that open the host, and that no list of this network namespace need have: the service may live
// in another one, or start when somebody connects.
var knownDoors = [...]struct{ dir, names string }{
	{"/var/lib/incus", "unix.socket unix.socket.user"}, {"/var/lib/lxd", "unix.socket unix.socket.user"}, {"/var/snap/lxd/common/lxd", "unix.socket unix.socket.user"},
	{"/var/lib/kubelet", "device-plugins/kubelet.sock pod-resources/kubelet.sock"}, {"/var/lib/rancher", "k3s/agent/containerd/containerd.sock"},
	{"/nix/var/nix", "daemon-socket/socket"},
}

// innerDoors are, by the last part of their path, sockets that belong to a tool of the caller's and not to the project in
// whose directory they lie: they are closed where a project's own sockets, of a development database say, stay open.
var innerDoors = []string{
	"fsmonitor--daemon.ipc", // git, below .git: it runs hooks
	"docker.sock", "docker-*.sock", "podman.sock", "podman-*.sock", "containerd.sock", "buildkitd.sock", "libvirt-sock*", "unix.socket", "lima.sock", "ha.sock",
	"S.gpg-agent*", "S.dirmngr", "S.scdaemon", "S.keyboxd", "agent.[0-9]*", "ssh-agent*", "*agent.sock", "keyring*",
	"vscode-*.sock", "code-*.sock", "*.vscode.sock", "nvim*", "*.nvim.sock", ".nvim*", "*.emacs.sock", "kitty*", "wezterm*",
	"tmux*", "*.tmux", "zellij*", "watchman*", "mcp*.sock", "*.mcp.sock", "claude*", "codex*", "cursor*", "bus",
}

// doorDirs are directories, anywhere on a path, whose sockets are all a tool's.
var doorDirs = []string{".git", ".vscode", ".vscode-server", ".idea", ".cursor", ".cursor-server", ".gnupg", ".ssh", ".tmux", ".watchman", ".claude", ".codex", ".devcontainer", ".emacs.d", ".lima", ".colima", ".docker"}

// closeDoors hides the sockets that the command could connect to. One that -v names is given back.
func (b *builder) closeDoors() error {
	if !b.wish.Tree {
		return nil
	}
	given := b.givenBack()
	in := map[string][]string{} // by directory
	var dirs []string
	for _, p := range b.doors() {
		if p = filepath.Clean(p); !given[p] {
			b.closeInMounts(p)
			dir := filepath.Dir(p)
			if in[dir] == nil {
				dirs = append(dirs, dir)
			}
			in[dir] = append(in[dir], p)
		}
	}
	masked := map[string]bool{}
	for _, p := range b.spec.Linux.MaskedPaths {
		masked[p] = true
	}
	for _, dir := range dirs {
		if b.onlyDoors(dir, len(in[dir])) {
			b.spec.Linux.MaskedPaths = append(b.spec.Linux.MaskedPaths, dir)
			continue
		}
		for _, p := range in[dir] {
			if hide := b.reaches(p); hide != "" && !masked[hide] {
				masked[hide] = true
				b.spec.Linux.MaskedPaths = append(b.spec.Linux.MaskedPaths, hide)
			}
		}
	}
	return nil
}

// closeInMounts hides a tool's socket where a mount of the caller's shows it at another path than outside.
func (b *builder) closeInMounts(p string) {
	for _, m := range b.theirs {
		if rel, in := strings.CutPrefix(p, m.Source+"/"); in && m.Type == "bind" && m.Source != m.Destination && innerDoor(p) && b.kind(p) == unix.S_IFSOCK {
			b.spec.Linux.MaskedPaths = append(b.spec.Linux.MaskedPaths, filepath.Join(m.Destination, rel))
		}
	}
}

// onlyDoors says whether a directory holds these sockets and nothing else, and is quicker hidden itself.
func (b *builder) onlyDoors(dir string, sockets int) bool {
	const worth = 4
	if sockets < worth || b.shownBy(dir) != "" || isSystem(dir) {
		return false
	}
	entries, err := os.ReadDir(b.onHost(dir))
	if proc.Opened(err) != nil || len(entries) != sockets {
		return false
	}
	for _, e := range entries {
		if e.Type() != os.ModeSocket {
			return false
		}
	}
	return true
}

// doors are the sockets that there are, as far as that can be known.
func (b *builder) doors() (list []string) {
	for _, d := range knownDoors {
		if b.kind(d.dir) == unix.S_IFDIR {
			for _, name := range strings.Fields(d.names) {
				list = append(list, filepath.Join(d.dir, name))
			}
		}
	}
	if b.shared != nil {
		list = append(list, filepath.Join(b.shared.Path, ".git/fsmonitor--daemon.ipc"))
	}
	for _, g := range b.guards { // git binds by a relative name, which no list has
		for _, git := range g.Repositories() {
			list = append(list, filepath.Join(git, "fsmonitor--daemon.ipc"))
		}
	}
	if b.caller.Sockets != nil {
		list = append(list, b.caller.Sockets()...)
	}
	if table := b.caller.Mounts; table != nil && !table.Plain() {
		list = append(list, table.OtherPaths(list)...)
	}
	seen := map[string]bool{}
	unique := list[:0:0]
	for _, p := range list {
		if !seen[p] {
			seen[p] = true
			unique = append(unique, p)
		}
	}
	return unique
}

// reaches is what is to be hidden because the command would find a socket at p, and may connect to it, "" for nothing:
// write(2)'s permission is what connect(2) asks for (unix(7)). Where the way there is closed by the caller's own mode, the
// command may open it, and the closed directory is hidden.
func (b *builder) reaches(p string) string {
	switch show := b.shownBy(p); {
	case show == "tmpfs":
		return ""
	case show == "bind" && !innerDoor(p):
		return ""
	}
	var st unix.Stat_t
	switch err := unix.Lstat(b.onHost(p), &st); {
	case err == unix.EACCES:
		own, others := b.shut(p)
		if own == "" && !others {
			own = filepath.Dir(p) // it is open again
		}
		return own
	case err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return ""
	case st.Uid != b.caller.UID && unix.Faccessat(unix.AT_FDCWD, b.onHost(p), unix.W_OK, unix.AT_EACCESS) != nil:
		return ""
	}
	return p
}

// shownBy is the type of the mount that shows a path of the host to the command, "" for the host's own tree. What the
// command gets from us (/proc, an empty /run) is a tmpfs as far as that matters; a bind is somebody's decision.
func (b *builder) shownBy(p string) string {
	show, best := "", ""
	for _, m := range b.spec.Mounts {
		if at := m.Destination; at != "/" && under(p, at) && len(at) >= len(best) {
			show, best = "tmpfs", at
			if m.Type == "bind" || m.Type == "overlay" {
				show = "bind"
			}
		}
	}
	return show
}

func innerDoor(p string) bool {
	for _, pattern := range innerDoors {
		if hit, _ := path.Match(pattern, filepath.Base(p)); hit {
			return true
		}
	}
	for _, dir := range strings.Split(filepath.Dir(p), "/") {
		if contains(doorDirs, dir) {
			return true
		}
	}
	return false
}

// givenBack are the paths that -v and --mount name.
func (b *builder) givenBack() map[string]bool {
	given := map[string]bool{}
	for _, m := range b.theirs {
		given[m.Source], given[m.Destination] = true, true
	}
	return given
}

// DoorGroups names those of the caller's groups whose members have the host, or can look into it, without being asked for
// a password: what belongs to such a group is the command's to use too, where it can be reached.
func DoorGroups(caller []uint32, groupFile []byte) (names []string) {
	for g := range groups(groupFile) {
		if contains32(caller, g.gid) && oneOf(g.name, "docker podman incus incus-admin lxd libvirt disk kvm") {
			names = append(names, g.name)
		}
	}
	return names
}
