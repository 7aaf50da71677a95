package rootfs

import (
	"fmt"
	"path"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/plan"
)

// node is one device file.
type node struct {
	of       *handle.Handle // what host named when it was looked at; nil for the host's own /dev
	path     string
	host     string // the same device in the caller's tree
	mode     uint32 // S_IF* and permissions
	dev      uint64
	uid, gid uint32
	source   plan.Reg // the caller's node, when it is bound
	asked    bool     // by the spec, and not one of those that every container has
	index    int      // in the spec's list, then
}

// readNodes lists the devices every container has (runtime-spec,
// config-linux, "Default Devices") and those of the spec, which win.
func (t *Tree) readNodes() error {
	device := func(name string, major, minor uint32) node {
		path := "/dev/" + name
		return node{path: path, host: path, mode: unix.S_IFCHR | 0o666, dev: unix.Mkdev(major, minor)}
	}
	t.nodes = []node{
		device("null", 1, 3), device("zero", 1, 5), device("full", 1, 7),
		device("random", 1, 8), device("urandom", 1, 9), device("tty", 5, 0),
	}
	index := map[string]int{}
	for i, n := range t.nodes {
		index[n.path] = i
	}
	for i, d := range t.devices() {
		if isPtmx(d) {
			continue // the link to that of the container's own devpts stays, as with runc
		}
		n, err := t.nodeOf(d)
		if err != nil {
			return fmt.Errorf("linux.devices[%d].path: %w", i, err)
		}
		at, twice := index[n.path]
		if !twice {
			at, t.nodes = len(t.nodes), append(t.nodes, node{})
			index[n.path] = at
		}
		n.asked, n.index = true, i
		t.nodes[at] = n
	}
	return nil
}

func isPtmx(d specs.LinuxDevice) bool {
	return path.Clean("/"+d.Path) == "/dev/ptmx" && (d.Type == "c" || d.Type == "u") && d.Major == 5 && d.Minor == 2
}

// devices are those of the spec.
func (t *Tree) devices() []specs.LinuxDevice {
	if t.spec.Linux == nil {
		return nil
	}
	return t.spec.Linux.Devices
}

func (t *Tree) nodeOf(d specs.LinuxDevice) (node, error) {
	n := node{path: path.Clean("/" + d.Path), mode: 0o666, dev: unix.Mkdev(uint32(d.Major), uint32(d.Minor))}
	if n.path == "/" || n.path == "/dev" {
		return n, fmt.Errorf("%s is a directory", n.path)
	}
	if err := t.places.pay(inside(n.path)); err != nil {
		return n, err
	}
	if d.FileMode != nil {
		n.mode = uint32(d.FileMode.Perm())
	}
	switch d.Type {
	case "b":
		n.mode |= unix.S_IFBLK
	case "p":
		n.mode |= unix.S_IFIFO
		n.dev = 0
	default: // "u" is "c" of old
		n.mode |= unix.S_IFCHR
	}
	if d.UID != nil {
		n.uid = *d.UID
	}
	if d.GID != nil {
		n.gid = *d.GID
	}
	if t.facts.Mknod || d.Type == "p" {
		return n, nil
	}
	return n, t.hostNode(&n, d)
}

// prepareDevices opens what can only come from the caller's tree.
func (t *Tree) prepareDevices(p *plan.Plan) {
	if t.hides() || t.spec.Linux != nil && len(t.spec.Linux.MaskedPaths) > 0 {
		// Never the container's own /dev/null: an image or a second container
		// on the same root could make that a link to anything (CVE-2025-31133).
		p.Act("open the host's /dev/null for masks")
		t.nulls = p.Open("/dev/null", unix.O_PATH|unix.O_NOFOLLOW).To("null")
	}
	if t.facts.Mknod {
		return
	}
	for i := range t.nodes {
		n := &t.nodes[i]
		if n.mode&unix.S_IFMT == unix.S_IFIFO {
			continue
		}
		p.Act("take the host's %s", n.host)
		p.About(copying(n.host))
		n.source = t.clone(p, Copy{Path: n.host, IDs: -1, Device: true, Of: n.of}, "")
		t.shelf.put(p, n.source)
	}
}

type devLink struct{ name, target string }

// devLinks are what every container has (runtime-spec, runtime-linux, "Dev symbolic
// links").
var devLinks = []devLink{
	{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
	{"ptmx", "pts/ptmx"},
}

// coreLink leads nowhere on a kernel without CONFIG_PROC_KCORE; runc then leaves
// it out, crun does not.
var coreLink = devLink{"core", "/proc/kcore"}

func (t *Tree) makeDevices(p *plan.Plan) {
	dev := t.dev
	if dev == 0 {
		p.Act("open /dev")
		dev = t.find(p, "/dev", true, unix.O_NOFOLLOW)
	}
	for i := range t.nodes {
		n := &t.nodes[i]
		p.Act("make device %s", n.path)
		p.About(n.attempt())
		t.shelf.take(p, n.source)
		dir, name := path.Split(n.path)
		parent := dev
		if dir != "/dev/" {
			parent = t.find(p, dir, true, 0)
		}
		t.makeNode(p, n, parent, name)
		closeBut(p, parent, dev)
	}
	p.Act("make the links of /dev")
	links := devLinks
	if t.facts.Kcore {
		links = append(links[:len(links):len(links)], coreLink)
	}
	for _, l := range links {
		p.Symlinkat(l.target, plan.R(dev), l.name).Ignore(unix.EEXIST, unix.EROFS, unix.EACCES)
	}
}

func (t *Tree) makeNode(p *plan.Plan, n *node, parent plan.Reg, name string) {
	if n.source == 0 {
		t.mknod(p, n, parent, name)
		return
	}
	at := p.Reg("node")
	if t.dev == parent && !t.mounted(n.path) {
		p.OpenAt(plan.R(parent), name, unix.O_CREAT|unix.O_EXCL|unix.O_RDONLY|unix.O_NOFOLLOW, 0o666).Into(at)
		n.attach(p, at)
		return
	}
	have, exists := p.Label("have "+n.path), p.Label("reopen "+n.path)
	p.OpenAt(plan.R(parent), name, unix.O_CREAT|unix.O_EXCL|unix.O_RDONLY|unix.O_NOFOLLOW, 0o666).On(unix.EEXIST, exists).Into(at)
	p.Goto(have)
	p.Here(exists)
	p.OpenAt(plan.R(parent), name, unix.O_PATH|unix.O_NOFOLLOW, 0).Into(at)
	p.Here(have)
	n.attach(p, at)
}

// attach puts the caller's node in its place.
func (n *node) attach(p *plan.Plan, at plan.Reg) {
	p.MoveMount(n.source, at)
	p.Close(n.source)
	p.Close(at)
}

func (t *Tree) mounted(path string) bool {
	return t.places.dest[inside(path)]
}

// mknod makes a device file. One that the image has already stays as it is:
// its name could be a link, and following it here would end on the host. The
// plan runs with umask 0, so the mode needs no second look at the name either.
func (t *Tree) mknod(p *plan.Plan, n *node, parent plan.Reg, name string) {
	exists, done := p.Label("have "+n.path), p.Label("done with "+n.path)
	p.Mknodat(plan.R(parent), name, n.mode, n.dev).On(unix.EEXIST, exists)
	if n.uid != 0 || n.gid != 0 {
		fd := p.OpenAt(plan.R(parent), name, unix.O_PATH|unix.O_NOFOLLOW, 0).To("node")
		n.same(p, fd) // /dev may be a directory of others', who have put theirs there since
		p.Fchownat(fd, n.uid, n.gid).About(n.owner())
		p.Close(fd)
	}
	p.Goto(done)
	p.Here(exists)
	if n.asked {
		p.Act("compare device %s with what is there", n.path)
		p.About(n.attempt())
		at := p.OpenAt(plan.R(parent), name, unix.O_PATH|unix.O_NOFOLLOW, 0).To("node")
		n.same(p, at)
		p.Close(at)
	}
	p.Here(done)
}

// same ends the plan with EEXIST unless a file is that device (config-linux.md,
// "Devices").
func (n *node) same(p *plan.Plan, at plan.Reg) {
	// Offsets in struct statx, which has 256 bytes (statx(2)).
	const mode, major, minor = 28, 128, 132
	st := plan.Bytes(make([]byte, 256)).Show(func() string { return "<status>" })
	p.Do("statx", unix.SYS_STATX, plan.R(at), plan.S(""), plan.C(unix.AT_EMPTY_PATH), plan.C(unix.STATX_TYPE), plan.M(st))
	p.Expect(st, mode, unix.S_IFMT, n.mode&unix.S_IFMT, unix.EEXIST)
	p.Expect(st, major, ^uint32(0), unix.Major(n.dev), unix.EEXIST)
	p.Expect(st, minor, ^uint32(0), unix.Minor(n.dev), unix.EEXIST)
}
