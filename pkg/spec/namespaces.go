package spec

import (
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/proc"
)

// Mode is the form of what one of --pid --ipc --uts --network --cgroupns says.
type Mode int

// The forms that all of them have in common.
const (
	ModeOther     Mode = iota // a word of that flag's own
	ModePrivate               // private, or nothing: a new namespace
	ModeHost                  // host: that of this host
	ModePath                  // ns:PATH: that one
	ModeContainer             // container:ID: that container's
)

// ReadMode reads a form, and returns what stands behind its colon: a path or an ID, neither of which it has looked at.
func ReadMode(value string) (form Mode, of string) {
	word, of, colon := strings.Cut(value, ":")
	switch {
	case value == "" || value == "private":
		return ModePrivate, ""
	case value == "host":
		return ModeHost, ""
	case word == "ns" && colon:
		return ModePath, of
	case word == "container" && colon:
		return ModeContainer, of
	}
	return ModeOther, ""
}

// SharesHost says whether the network or the processes are this host's.
func (w *Wish) SharesHost() bool {
	network, _ := ReadMode(w.Network)
	processes, _ := ReadMode(w.PID)
	return network == ModeHost || processes == ModeHost
}

// nsMode is a namespace as it was asked for. The zero value is a new one.
type nsMode struct {
	host bool
	none bool   // --ipc none: private, and no /dev/shm
	path string // join this one
}

func (m nsMode) private() bool { return !m.host && m.path == "" }

// parseMode knows podman's words. private are the flag's own names for a new namespace.
func parseMode(flag, value, private string) (nsMode, error) {
	form, path := ReadMode(value)
	switch {
	case form == ModePrivate || oneOf(value, private):
		return nsMode{none: value == "none"}, nil
	case form == ModeHost:
		return nsMode{host: true}, nil
	case form == ModePath && strings.HasPrefix(path, "/") && !strings.ContainsAny(path, "\x00\n"):
		return nsMode{path: path}, nil
	case form == ModePath:
		return nsMode{}, fmt.Errorf("%s %q: the path must be absolute, such as ns:/proc/PID/ns/NAME", flag, value)
	case form == ModeContainer:
		return nsMode{}, fmt.Errorf("%s %q: other containers cannot be named: use ns:/proc/PID/ns/NAME with that container's pid", flag, value)
	}
	words := strings.Join(append([]string{"private", "host", "ns:PATH"}, strings.Fields(private)...), ", ")
	return nsMode{}, fmt.Errorf("%s %q: unrecognized namespace mode, want one of %s", flag, value, words)
}

func (b *builder) namespaces() (err error) {
	for _, n := range []struct {
		mode                 *nsMode
		flag, value, private string
	}{
		{&b.pid, "--pid", b.wish.PID, ""},
		{&b.ipc, "--ipc", b.wish.IPC, "shareable none"},
		{&b.uts, "--uts", b.wish.UTS, ""},
		{&b.network, "--network", b.wish.Network, "none"},
		{&b.cgroup, "--cgroupns", b.wish.Cgroupns, ""},
	} {
		if *n.mode, err = parseMode(n.flag, n.value, n.private); err != nil {
			return err
		}
		if n.mode.path == "" {
			continue
		}
		h, err := b.typed(n.mode.path)
		if err != nil {
			return fmt.Errorf("%s %q: %w", n.flag, n.value, err)
		}
		if !under(n.mode.path, "/proc") && b.own(h) {
			return fmt.Errorf("%s %q: that is this host's own namespace: say %s host if that is meant", n.flag, n.value, n.flag)
		}
	}
	b.join(specs.PIDNamespace, b.pid)
	b.join(specs.NetworkNamespace, b.network)
	b.join(specs.IPCNamespace, b.ipc)
	b.join(specs.UTSNamespace, b.uts)
	b.join(specs.MountNamespace, nsMode{})
	b.join(specs.CgroupNamespace, b.cgroup)
	b.join(specs.UserNamespace, nsMode{host: !b.ids.Userns()})
	b.spec.Linux.UIDMappings, b.spec.Linux.GIDMappings = b.ids.UID, b.ids.GID
	return b.hostname()
}

// own says whether a file is a namespace that we are in.
func (b *builder) own(h *handle.Handle) bool {
	for _, name := range []string{"pid", "ipc", "uts", "net", "cgroup"} {
		ours, err := b.open("/proc/self/ns/" + name)
		if err != nil {
			continue
		}
		ours.Close()
		if ours.ID == h.ID {
			return true
		}
	}
	return false
}

func (b *builder) join(t specs.LinuxNamespaceType, m nsMode) {
	if !m.host {
		b.spec.Linux.Namespaces = append(b.spec.Linux.Namespaces, specs.LinuxNamespace{Type: t, Path: m.path})
	}
}

// hostname is set in a new namespace only: in the host's or a joined one it is somebody else's.
func (b *builder) hostname() error {
	h := b.wish.Hostname
	switch {
	case h != "" && !b.uts.private():
		return fmt.Errorf("--hostname %q: cannot be set together with --uts %s", h, b.wish.UTS)
	case len(h) > 64 || strings.ContainsAny(h, "\x00\n"):
		return fmt.Errorf("--hostname %q: want at most 64 bytes, without NUL or newline", h)
	case !b.uts.private():
		return nil
	case h == "":
		h = defaultName
	}
	b.spec.Hostname = h
	return nil
}

// kernelMounts are the file systems a namespace brings with it, in the order they must be mounted in.
func (b *builder) kernelMounts() []specs.Mount {
	mounts := []specs.Mount{b.procMount(), devMount(), ptsMount(b.terminals())}
	if b.ipc.host {
		mounts = append(mounts, b.hostIPC()...)
	} else {
		if !b.ipc.none {
			mounts = append(mounts, shmMount())
		}
		mounts = append(mounts, mqueueMount())
	}
	return mounts
}

// terminals says whether terminals can have the group 5: with the caller's own user namespace that one's map counts.
func (b *builder) terminals() bool {
	if b.ids.Userns() {
		return mapped(b.ids.GID, 5)
	}
	m := proc.ReadIDMap(b.onHost("/proc/self/gid_map"))
	return m == nil || m.Has(5)
}

// procMount: proc shows the pid namespace of whoever mounts it, so the host's processes are shown by
// binding the host's /proc.
func (b *builder) procMount() specs.Mount {
	m := specs.Mount{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}}
	if b.pid.host {
		m.Type, m.Source, m.Options = "bind", "/proc", append([]string{"rbind"}, m.Options...)
	}
	return m
}

// hostIPC shares POSIX shared memory and queues, which live in these two, where the host has them.
func (b *builder) hostIPC() (mounts []specs.Mount) {
	for _, dir := range []string{"/dev/shm", "/dev/mqueue"} {
		if b.kind(dir) == unix.S_IFDIR {
			mounts = append(mounts, specs.Mount{Destination: dir, Type: "bind", Source: dir,
				Options: []string{"rbind", "rprivate", "nosuid", "noexec", "nodev"}})
		}
	}
	return mounts
}

// cgroupsShown says whether there is a place for cgroups in /sys. Where something else than sysfs is mounted there, the
// container has that too, for the kernel makes no new sysfs then.
func (b *builder) cgroupsShown() bool {
	st, err := os.Stat(b.onHost("/sys/fs/cgroup"))
	return err == nil && st.IsDir()
}

// cgroupsMount shows the container's part of the tree, or all of it: a new mount shows the namespace of whoever makes it.
func (b *builder) cgroupsMount() specs.Mount {
	m := cgroupMount()
	if b.cgroup.host {
		m.Type, m.Source, m.Options = "bind", "/sys/fs/cgroup", append([]string{"rbind"}, m.Options...)
	}
	return m
}

func cgroupMount() specs.Mount {
	return specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup",
		Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}}
}
