package lifecycle

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/helper"
	"sandbox/pkg/idmap"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/resctrl"
	"sandbox/pkg/spec"
	"sandbox/pkg/state"
	"sandbox/pkg/world"
)

// Runtime is who runs the verbs and where their state lives. Everything that
// differs between root and anybody else is a fact in here; no verb asks who it
// is.
type Runtime struct {
	Root   state.Root   // directory of all containers' state
	Kernel kernel.Host  // where evidence is read
	Maps   idmap.Host   // where id ranges are found
	Self   kernel.Facts // our capabilities
	Caller idmap.Caller // our ids
	Groups cgroup2.Host // where a cgroup can be had
	Shares resctrl.Host // where a share of caches can be had

	// Helpers finds the programs of this host that are run for us: newuidmap, slirp4netns and
	// the like. Its Shared is what the payload and those before it may write.
	Helpers helper.Finder

	// CgroupManager says who makes cgroups: systemd, cgroupfs or disabled; "" is
	// what works here.
	CgroupManager string

	// Files is the limit of open files for payloads; zero leaves ours.
	Files unix.Rlimit

	// Layers is the directory in which containers of images have what they change; nil is none.
	Layers func() string
	// LetGo is told the name of a layer that is about to be removed: its container needs its image no more.
	LetGo func(layer string)

	// Warn is told what the caller should know although all went well.
	Warn func(text string)

	// Notice is why the default state directory is not where it is usually; nil where it is.
	Notice *kernel.Cause

	// Signals end a start that has no payload yet, and what it runs; nil leaves them their usual effect.
	Signals Signals

	// Tell is told of what a container has left that concerns the caller's safety.
	Tell func(text string)

	// Debug, when set, is told of every turn of a start.
	Debug func(text string)

	// Rewrite, when set, may change a plan before it runs. Tests inject a
	// failure into every step with it.
	Rewrite func(*plan.Plan)

	looked bool   // in the user database
	home   string // what it says
}

// New looks at the current process. root "" is the default state directory
// for this caller.
func New(root string) (*Runtime, error) {
	r := &Runtime{Warn: func(string) {}, Tell: func(string) {}}
	r.Helpers.Tell = func(text string) { r.Warn(text) }
	r.Maps.Helpers = &r.Helpers
	r.Self = r.Kernel.Self()
	if err := r.Self.Err; err != nil {
		return nil, &kernel.Refusal{Cause: r.Kernel.Fit(kernel.New(kernel.ProcMissing)), Err: fmt.Errorf("see who we are: %w", err)}
	}
	r.Caller = idmap.Caller{UID: r.Self.EUID, GID: r.Self.EGID, Groups: r.Self.Groups}
	r.Groups = cgroup2.Host{
		RuntimeDir: sessionDir(r.Self.EUID), BusAddress: os.Getenv("DBUS_SESSION_BUS_ADDRESS"),
		System: r.Self.EUID == 0 && r.Self.InitialUserns(),
	}
	r.Root, r.Files = state.Root{Path: root, UID: int(r.Caller.UID), Kernel: &r.Kernel}, world.InheritedFiles()
	if root != "" {
		return r, nil
	}
	return r, r.ownRoot()
}

// ownRoot is where the state lies when nobody says where.
func (r *Runtime) ownRoot() error {
	dir, notice, err := r.Kernel.RuntimeDir(os.Getenv, int(r.Self.EUID), r.Self.InitialUserns())
	if err != nil {
		return err
	}
	r.Root.Path, r.Root.Own = dir, true
	if r.Self.InitialUserns() { // inside of another container there is no session, and /tmp is as good
		r.Notice = notice
	}
	return nil
}

// sessionDir is where the user's systemd is found; after su, or in a service, nobody
// has said so, and it may run all the same (loginctl enable-linger).
func sessionDir(uid uint32) string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" && uid != 0 {
		dir = fmt.Sprintf("/run/user/%d", uid)
	}
	return dir
}

// Name is the caller's login name, "" without a passwd entry. newuidmap looks
// ranges up by it.
func (r *Runtime) Name() string {
	r.lookUp()
	return r.Caller.Name
}

// Home is the caller's home directory as the user database has it; $HOME may
// say something else (sudo, CI).
func (r *Runtime) Home() string {
	r.lookUp()
	return r.home
}

func (r *Runtime) lookUp() {
	if r.looked {
		return
	}
	r.looked = true
	if u, err := user.LookupId(strconv.Itoa(int(r.Caller.UID))); err == nil {
		r.Caller.Name, r.home = u.Username, u.HomeDir
	}
}

// ChooseIDs turns the value of --userns into mappings. What had to be given up
// for lack of subordinate ids is told in the returned contract. keep says what
// no value means: to stay who we are, with no id besides, or auto.
func (r *Runtime) ChooseIDs(mode string, keep bool) (spec.IDs, kernel.Contract, error) {
	if mode == "" && keep && !r.mounts() {
		mode = fmt.Sprintf("single:uid=%d,gid=%d", r.Caller.UID, r.Caller.GID)
	}
	if !strings.HasPrefix(mode, idmap.ModeSingle) && mode != idmap.ModeHost {
		r.Name()
	}
	want, err := idmap.ParseWant(mode, r.Caller)
	if err != nil {
		return spec.IDs{}, nil, err
	}
	m, short, err := r.Maps.Choose(want, r.Caller)
	if err != nil {
		return spec.IDs{}, nil, err
	}
	var c kernel.Contract
	for _, s := range short {
		c.Degrade(kernel.FeatIDRange, "one id instead of a range", r.idCause(s))
	}
	ids := spec.IDs{UID: mappings(m.UIDs), GID: mappings(m.GIDs)}
	if o, lost := c.Of(kernel.FeatIDRange); lost {
		ids.Short = o.Cause
	}
	return ids, c, nil
}

// mounts says whether a mount namespace can be had without a user namespace.
func (r *Runtime) mounts() bool { return r.Caller.UID == 0 && r.Self.Has(unix.CAP_SYS_ADMIN) }

// idCause is a shortfall of ids as a cause with its fix.
func (r *Runtime) idCause(s idmap.Shortfall) kernel.Cause {
	return kernel.IDMapCause(string(s.Reason), s.Evidence, *r.who())
}

// who is the caller as fixes for id maps are written to.
func (r *Runtime) who() *kernel.Who {
	who := &kernel.Who{Name: r.Name(), UID: int(r.Caller.UID), GID: int(r.Caller.GID)}
	switch free, ok := r.Maps.Free(65536); {
	case ok:
		who.SubUIDs, who.SubGIDs = free.String(), free.String()
	case r.Self.InitialUserns():
	case r.Maps.Holds(idmap.Range{Start: 10000, Count: 55536}):
		who.SubUIDs, who.SubGIDs = kernel.InsideContainer, kernel.InsideContainer
	default:
		who.NoRoom = true
	}
	return who
}

func mappings(extents []idmap.Extent) []specs.LinuxIDMapping {
	var list []specs.LinuxIDMapping
	for _, e := range extents {
		list = append(list, specs.LinuxIDMapping{ContainerID: e.Container, HostID: e.Host, Size: e.Size})
	}
	return list
}

func extents(mappings []specs.LinuxIDMapping) []idmap.Extent {
	var list []idmap.Extent
	for _, m := range mappings {
		list = append(list, idmap.Extent{Container: m.ContainerID, Host: m.HostID, Size: m.Size})
	}
	return list
}

// mapOf is the id map of a spec; the identity where it has none.
func mapOf(l *specs.Linux) idmap.Map {
	if l == nil {
		return idmap.Map{}
	}
	return idmap.Map{UIDs: extents(l.UIDMappings), GIDs: extents(l.GIDMappings)}
}

// cleanup is a stack of undo steps, run in reverse unless released.
type cleanup []func()

func (c *cleanup) add(f func()) { *c = append(*c, f) }

func (c *cleanup) release() { *c = nil }

func (c *cleanup) run() {
	for i := len(*c) - 1; i >= 0; i-- {
		(*c)[i]()
	}
}

// because adds the cause that the host shows for an error.
func (r *Runtime) because(op kernel.Op, err error) error { return r.Kernel.Because(op, err) }

// quote names a container in a message.
func quote(id string) string { return fmt.Sprintf("%q", id) }
