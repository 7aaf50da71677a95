package rootfs

import (
	"cmp"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// ladders are what is bound instead when the kernel refuses a fresh
// filesystem: because an outer runtime has masked parts of it
// (mount_too_revealing in fs/namespace.c), or because its namespace is not
// owned by our user namespace.
var ladders = map[string]struct{ path, note string }{
	"proc":    {"/proc", NoteProcBound},
	"sysfs":   {"/sys", NoteSysBound},
	"cgroup2": {"/sys/fs/cgroup", NoteCgroupBound},
	"mqueue":  {"/dev/mqueue", NoteMqueueBound},
}

// virtual filesystems are written whatever the flag of their superblock says,
// or share it with the host: for them "ro" is a flag of the mount alone.
var virtual = map[string]bool{
	"proc": true, "sysfs": true, "cgroup2": true, "mqueue": true, "devpts": true, "tmpfs": true, "ramfs": true,
}

// create makes a filesystem as a detached mount.
func (t *Tree) create(p *plan.Plan, m *mount) {
	t.begin(p, m)
	t.finish(p, m)
}

// fall goes to a label where the kernel refuses what has a rung below.
func (m *mount) fall(s *plan.Step, to plan.Label) *plan.Step {
	if _, bound := ladders[m.fstype]; bound {
		s.On(unix.EPERM, to).On(unix.EBUSY, to)
	}
	return s
}

// begin makes the filesystem, the slow half. That can be done before the id
// map is written where nothing in it belongs to an id that we choose. Whether it
// came to be stands in a register: the rung below is taken by finish.
func (t *Tree) begin(p *plan.Plan, m *mount) {
	if m.grouped {
		t.facts.Group(p)
	}
	p.Act("mount %s on %s", m.fstype, m.dest)
	p.About(m.making())
	m.made = p.Reg("made " + m.fstype)
	refused := p.Label("no " + m.fstype)
	fs := m.fall(p.Fsopen(m.fstype), refused).To(m.fstype + " context")
	m.context = fs
	source := cmp.Or(m.source, m.fstype)
	named := m.making()
	named.Detail = option{"source", source}.detail()
	p.FsString(fs, "source", source).About(named)
	if m.attr.set&unix.MOUNT_ATTR_RDONLY != 0 && !virtual[m.fstype] {
		p.FsFlag(fs, "ro") // a read-only device cannot be mounted without
	}
	configure(p, fs, t.layers(p, m), m.making())
	m.fall(p.FsCreate(fs), refused)
	if _, bound := ladders[m.fstype]; bound {
		p.Set(m.made, plan.C(1))
	}
	p.Here(refused)
}

// finish makes the mount of it. Mounts are made in the order of spec.mounts: it
// is what mountinfo shows, which is sorted by mount id since Linux 6.8.
func (t *Tree) finish(p *plan.Plan, m *mount) {
	p.Act("mount %s on %s", m.fstype, m.dest)
	p.About(m.making())
	m.tree = p.Reg(m.fstype)
	ladder, bound := ladders[m.fstype]
	var instead, done plan.Label
	if bound {
		instead, done = p.Label("bind "+ladder.path), p.Label("have "+m.fstype)
		p.Set(m.made, plan.R(m.made)).IfZero(instead)
	}
	m.fall(p.Fsmount(m.context, m.attr.set), instead).Into(m.tree)
	p.Close(m.context)
	spread(p, m.tree, m.spread)
	t.mapFresh(p, m)
	if !bound {
		return
	}
	p.Goto(done)
	p.Here(instead)
	p.Act("bind the host's %s instead", ladder.path)
	p.About(copying(ladder.path))
	p.CloneTree(plan.Cwd(), ladder.path, true).Into(m.tree)
	if m.attr.set != 0 {
		p.SetAttr(m.tree, m.attr.set, 0, unix.MS_PRIVATE, true)
	}
	p.Note(ladder.note)
	p.Here(done)
}

// configure sets the options of a filesystem. What they are about gets the option that failed.
func configure(p *plan.Plan, fs plan.Reg, data []option, about kernel.Attempt) {
	for _, o := range data {
		about.Detail = o.detail()
		switch {
		case o.key == "newinstance": // every devpts is one since Linux 4.7
		case o.value == "" && o.key != "source":
			p.FsFlag(fs, o.key).About(about)
		case o.key == "lowerdir" && len(o.value) > maxString:
			// Layer by layer, Linux 6.5 (commit 24e16e385f22).
			for _, layer := range splitLayers(o.value) {
				p.FsString(fs, "lowerdir+", unescape(layer)).About(about)
			}
		default:
			p.FsString(fs, o.key, o.value).About(about)
		}
	}
}

// detail names it in an error.
func (o option) detail() string {
	if o.value == "" {
		return fmt.Sprintf("option %q", o.key)
	}
	return fmt.Sprintf("option %q, value %q", o.key, o.value)
}

// maxString is the longest value that fsconfig(2) takes.
const maxString = 255

// splitLayers splits the value of lowerdir at its colons; one behind a
// backslash is part of a name.
func splitLayers(value string) []string {
	var layers []string
	begin := 0
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case ':':
			layers = append(layers, value[begin:i])
			begin = i + 1
		}
	}
	return append(layers, value[begin:])
}

// unescape undoes the backslashes with which an overlay's option protects a
// path that holds a ":" or ",".
func unescape(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '\\' && i+1 < len(path) {
			i++
		}
		b.WriteByte(path[i])
	}
	return b.String()
}
