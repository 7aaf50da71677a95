package spec

import (
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/handle"
	"sandbox/pkg/kernel"
	"sandbox/pkg/worktree"
)

// Wish is what a person typed for `sandbox run [flags] -- CMD` or `sandbox run [flags] ROOTFS [CMD]`. The
// fields are flags, with podman's names, values and meaning; the zero value of each is "not given".
type Wish struct {
	Tree       bool   // the first form: this host's tree
	Rootfs     string // the second form: a directory
	Image      *Image // the second form: an image
	Args       []string
	Entrypoint *string // a program, or a JSON array; "" clears it

	Env, EnvFiles           []string
	EnvHost                 string   // whether the caller's variables pass: yes, no, "" for what is usual
	EnvPass                 []string // which of the caller's variables pass: all, default, none, names
	Workdir, User, Hostname string
	Umask                   string
	GroupAdd                []string

	Volumes, Mounts, Tmpfs []string
	// Volume finds a named volume, which is made where there is none; place is where it is to be, and copies that what the root
	// has there is copied into a new one. Nil: there are none.
	Volume             func(name, place string, copies bool) (dir string, err error) `json:"-"`
	Devices            []string
	ReadOnly           bool
	Cow                bool // the working directory (or the whole Rootfs) is copy-on-write
	Protect, NoProtect []string

	CapAdd, CapDrop, Ulimits, SecurityOpt, Annotations []string

	// "" is the default: private namespaces, and a network with a loopback only.
	Userns, UTS, IPC, PID, Network, Cgroupns string

	Terminal, Init bool

	Nested bool // a sandbox can be started inside

	// hostRoot is put before every host path that is looked at, never before one that is written down;
	// tests point it at a folder.
	hostRoot string
}

// Caller is who typed it: the facts about the calling process that a Spec depends on.
type Caller struct {
	UID, GID uint32
	Groups   []uint32 // supplementary
	Name     string
	// Home is $HOME, PasswdHome what the user database says; they differ under sudo and in CI.
	Home, PasswdHome string
	// Cwd is the working directory by name. Dir is that directory itself, which counts; nil opens Cwd.
	Cwd string
	Dir *handle.Handle
	Env []string
	// RuntimeDir is $XDG_RUNTIME_DIR, StateRoot where the state of containers lives; "" for none.
	RuntimeDir, StateRoot string
	// StateRoots are other places where it may live for another command of the caller's ([kernel.Host.RuntimeDirs]).
	StateRoots []string
	// Mounts is the host's mount table, [kernel.Table]. Nil is one without mounts.
	Mounts MountTable
	// Sockets lists the unix sockets of the host that can be connected to ([kernel.Host.Sockets]). Nil for none.
	Sockets func() []string
	// Paths are the files of the host that were opened for this command; what the wish names is added. Nil makes a
	// set that ends with the call.
	Paths handle.Set
	// Binary is this program. Made gets what goes with the Spec and has no place in it; nil drops that.
	Binary *handle.Handle
	Made   *Made
	// Began is when the shell that has a working directory was there already ([Began]); nil looks at nothing.
	Began func(handle.ID) time.Time
	// Ours are files that this program reads or runs at the next start: no command may change them.
	Ours []string
	// Nested: the caller is in a user namespace already, so that uid 0 is not the host's root.
	Nested bool
}

// MountTable answers what the mounts of a host show where ([kernel.Table]).
type MountTable interface {
	Plain() bool                                                                            // there is nothing to ask for
	Views(homes []kernel.Place, shared kernel.Place) (places []kernel.Place, over []string) // where else these, or parts of them, can be seen
	Kernels() (places []kernel.Place, over []string)                                        // through which the kernel is told things
	Below(path string) []kernel.Place                                                       // mounts below a path
	OtherPaths(paths []string) []string                                                     // where else files can be seen
	Err() error                                                                             // why not all of it is known
	Again()                                                                                 // looks once more
}

// Made is what a wish needs besides its Spec.
type Made struct {
	Guards []*worktree.Guard // of shared directories, to be asked when the command has ended
	Files  []File            // in empty directories of the container's own
	Hidden []*handle.Handle  // what of the host must not be seen, wherever it lies, shallow before deep
	Dirs   []string          // directories that have to be there, the caller's alone: something lies over them
}

// File is one that the container begins with.
type File struct {
	Path string
	Data []byte
}

// IDs are the mappings of the new user namespace; none means no user namespace.
type IDs struct {
	UID, GID []specs.LinuxIDMapping
	Short    *kernel.Cause // why there is one id where a range was asked for; nil where there is what was asked for
}

// Userns tells whether there is to be a user namespace.
func (i IDs) Userns() bool { return len(i.UID) > 0 || len(i.GID) > 0 }

// Notice is something the caller should know although the wish could be fulfilled: one line, for stderr.
type Notice struct {
	Code string // stable, for programs: "cwd-not-shared"
	Text string
}

// builder carries one wish to its Spec.
type builder struct {
	wish    Wish
	caller  Caller
	ids     IDs
	spec    *specs.Spec
	notices []Notice

	pid, ipc, uts, network, cgroup nsMode
	home                           string // the payload's
	paths                          handle.Set
	finding                        chan finding
	guards                         []guardedDir // what is shared for writing
	toldAccess                     bool
	pass                           passed
	homes                          *homes
	dirs                           map[string]*handle.Handle // what paths were found to name
	forbidden                      map[handle.ID]string      // directories that are not shared, and why
	states                         []handle.ID               // directories with the state of containers
	concealed                      []*handle.Handle          // what of the host must not be seen, wherever it lies
	kernelDirs                     []*handle.Handle          // those of them that are the kernel's
	base                           int                       // how many of ours begin the tree, in that order
	shared                         *handle.Handle            // the working directory, where the command gets it
	profiled                       bool                      // --security-opt said something about seccomp
	socketcall                     bool                      // --security-opt: 32-bit programs may make sockets by socketcall(2)
	ours, theirs                   []specs.Mount
}

// Spec makes the configuration that w asks for. It looks at the host (which directories exist, who is in
// /etc/passwd, what number a device has) but changes nothing. Errors are one line that names the flag as
// it was typed; those about files keep their errno. The result passes Validate.
func (w Wish) Spec(c Caller, ids IDs) (*specs.Spec, []Notice, error) {
	b := &builder{wish: w, caller: c, ids: ids, spec: &specs.Spec{
		Version: specs.Version,
		Process: &specs.Process{Terminal: w.Terminal, Cwd: "/"},
		Root:    &specs.Root{},
		Linux:   &specs.Linux{},
	}}
	if b.paths = c.Paths; b.paths == nil {
		b.paths = handle.Set{}
		defer b.paths.Close()
	}
	if !ids.Userns() {
		// A user namespace needs none: nobody can make a device node there (mknod(2), EPERM).
		b.spec.Linux.Resources = denyDevices()
	}
	form := b.rootfs
	if w.Tree {
		form = b.tree
	}
	// The order matters: who the payload is depends on the root; mounts, capabilities and
	// environment depend on who the payload is; what is masked comes after all of them.
	for _, part := range []func() error{
		b.openWorkdir, b.oneLine, b.cameByLink, b.elsewhere, b.annotations, b.namespaces, b.root, b.user, form, b.args, b.mounts, b.workdirIsThere, b.init, b.devices,
		b.env, b.limits, b.capabilities, b.security, b.guard, b.closeDoors,
	} {
		if err := part(); err != nil {
			b.drop()
			return nil, nil, err
		}
	}
	return b.spec, b.notices, nil
}

// drop lets go of what was being looked for.
func (b *builder) drop() {
	if b.finding != nil {
		if f := <-b.finding; f.guard != nil {
			f.guard.Close()
		}
	}
}

// oneLine refuses what no path, name or option can have, before any of it gets into a message.
func (b *builder) oneLine() error {
	w := &b.wish
	for _, f := range []struct {
		flag   string
		values []string
	}{
		{"the working directory", []string{b.caller.Cwd}}, {"rootfs", []string{w.Rootfs}}, {"image", w.Image.words()},
		{"--env-file", w.EnvFiles}, {"--workdir", []string{w.Workdir}}, {"--user", []string{w.User}}, {"--group-add", w.GroupAdd},
		{"--volume", w.Volumes}, {"--mount", w.Mounts}, {"--tmpfs", w.Tmpfs}, {"--device", w.Devices},
		{"--security-opt", w.SecurityOpt}, {"--ulimit", w.Ulimits},
	} {
		for _, v := range f.values {
			if strings.ContainsAny(v, "\x00\n\r") {
				return fmt.Errorf("%s %q: has a NUL byte or a line break in it", f.flag, v)
			}
		}
	}
	return nil
}

func (b *builder) notice(code, format string, args ...any) {
	b.notices = append(b.notices, Notice{code, fmt.Sprintf(format, args...)})
}

// hostRootReachable tells whether the payload can be the user that owns the host's /proc/sys: as that
// user no capability is needed to write kernel.core_pattern, inside of a user namespace or not
// (test_perm in fs/proc/proc_sysctl.c compares with the initial namespace's root).
func (b *builder) hostRootReachable() bool {
	if b.caller.UID != 0 || b.caller.Nested {
		return false
	}
	_, mapped := inside(b.ids.UID, 0)
	return mapped || !b.ids.Userns()
}

// inside translates a host id.
func inside(extents []specs.LinuxIDMapping, host uint32) (uint32, bool) {
	for _, e := range extents {
		if host >= e.HostID && uint64(host) < uint64(e.HostID)+uint64(e.Size) {
			return e.ContainerID + (host - e.HostID), true
		}
	}
	return host, len(extents) == 0
}

func (b *builder) annotations() error {
	for _, a := range b.wish.Annotations {
		key, value, ok := strings.Cut(a, "=")
		if !ok || key == "" {
			return fmt.Errorf("--annotation %q: must be formatted KEY=VALUE", a)
		}
		b.annotate(key, value)
	}
	return nil
}

func (b *builder) annotate(key, value string) {
	if b.spec.Annotations == nil {
		b.spec.Annotations = map[string]string{}
	}
	b.spec.Annotations[key] = value
}

// splitAll splits every value of a flag at its commas, for flags that may be repeated or given once with a list.
func splitAll(values []string) []string {
	var all []string
	for _, v := range values {
		all = append(all, strings.Split(v, ",")...)
	}
	return all
}
