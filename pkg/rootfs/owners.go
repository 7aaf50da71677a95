package rootfs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/plan"
)

// Copy is what of the caller's tree is to be copied.
type Copy struct {
	Path      string
	Recursive bool // with the mounts below
	Link      bool // a link itself, not what it names
	Device    bool // one device node

	Of *handle.Handle // the file that Path named when it was looked at; nil: whatever it names

	IDs      int  // user namespace whose map shows the owners; -1 none
	MapBelow bool // on the mounts below too
}

// findIDs asks for the user namespace of an idmapped mount (runtime-spec,
// config.md, "Linux mount options"). Mappings without the option are mapped
// too: not to map them would be to ignore them.
func (m *mount) findIDs(f Facts) error {
	s := m.spec
	if (len(s.UIDMappings) == 0) != (len(s.GIDMappings) == 0) {
		return fmt.Errorf("uidMappings and gidMappings: one needs the other")
	}
	m.mapped = m.mapped || len(s.UIDMappings) > 0
	if !m.mapped || f.IDMap == nil {
		return nil
	}
	if m.copyUp || m.lower != "" || m.link != "" {
		return fmt.Errorf("uidMappings: an overlay that is made here cannot be idmapped")
	}
	source := ""
	if m.bind() {
		source = m.source
	}
	var err error
	if m.ids, err = f.IDMap(s.UIDMappings, s.GIDMappings, source); err != nil {
		field := "uidMappings"
		if len(s.UIDMappings) == 0 {
			field = `option "idmap"`
		}
		return fmt.Errorf("%s: %w", field, err)
	}
	m.mapped = m.ids >= 0
	return nil
}

// ownMappings reads crun's way to say mappings in the option itself:
// uids=INSIDE-HOST-LENGTH#...;gids=... (crun(1), "IDMAP mount options").
func (m *mount) ownMappings(value string) error {
	if len(m.spec.UIDMappings)+len(m.spec.GIDMappings) > 0 {
		return fmt.Errorf("uidMappings and gidMappings say it already")
	}
	for _, part := range strings.Split(value, ";") {
		kind, ranges, _ := strings.Cut(part, "=")
		list := map[string]*[]specs.LinuxIDMapping{"uids": &m.spec.UIDMappings, "gids": &m.spec.GIDMappings}[kind]
		if list == nil {
			return fmt.Errorf("want the form uids=INSIDE-HOST-LENGTH#...;gids=... with one part for each")
		}
		for _, r := range strings.Split(ranges, "#") {
			var e specs.LinuxIDMapping
			_, _ = fmt.Sscanf(r, "%d-%d-%d", &e.ContainerID, &e.HostID, &e.Size)
			if fmt.Sprintf("%d-%d-%d", e.ContainerID, e.HostID, e.Size) != r || e.Size == 0 {
				return fmt.Errorf("%q: want INSIDE-HOST-LENGTH, three numbers of the host's ids", r)
			}
			*list = append(*list, e)
		}
	}
	return nil
}

// mapFresh maps the owners of a filesystem that was made in the container's
// user namespace, which may therefore do it.
func (t *Tree) mapFresh(p *plan.Plan, m *mount) {
	if m.mapped {
		p.Act("map the owners of %s: %s.uidMappings", m.fstype, m.field)
		p.About(mapping(m.fstype))
		p.SetIDMap(m.tree, m.ids, m.mapBelow)
		p.Act("mount %s on %s", m.fstype, m.dest)
		p.About(m.making())
	}
}

// given is a copy that the parent has made. In a copy of the child's own, the
// flags that the mount has outside are locked, and the container can never
// take them off, whatever its capabilities (mount_namespaces(7)); the parent's
// is for what the child cannot reach, or may not take apart, or not map.
func (t *Tree) given(p *plan.Plan, c Copy, fd int) plan.Reg {
	r := p.Reg("copy")
	if c.IDs >= 0 || c.Link || c.Device {
		p.Set(r, plan.C(fd))
		return r
	}
	given, have := p.Label("take the given copy of "+c.Path), p.Label("have "+c.Path)
	p.CloneTree(plan.Cwd(), c.name(), c.Recursive).On(unix.EACCES, given).On(unix.EINVAL, given).Into(r)
	t.same(p, r, c.Of)
	p.CloseNumber(fd)
	p.Goto(have)
	p.Here(given)
	p.Set(r, plan.C(fd))
	p.Here(have)
	return r
}

// name leads the child to the file. The kernel moves the working directory of a
// process along into its new mount namespace, so that one has no name to be
// mistaken for.
func (c Copy) name() string {
	if c.Of != nil && c.Of.Cwd {
		return "."
	}
	return c.Path
}

// same refuses a file that has come into the place of the one that was looked
// at: a command that ran here before may exchange names as often as it likes.
func (t *Tree) same(p *plan.Plan, fd plan.Reg, of *handle.Handle) {
	if of != nil && of.Path != "/" && !t.facts.Elsewhere {
		p.Same(fd, of.Path, of.Dev, of.Ino)
	}
}

// clone is a copy of a mount of the caller's tree, made now or by the child.
func (t *Tree) clone(p *plan.Plan, c Copy, field string) plan.Reg {
	mapped := c.IDs >= 0
	if t.facts.Clone != nil {
		fd, err := t.facts.Clone(c)
		if err == nil {
			return t.given(p, c, fd)
		}
		var errno unix.Errno
		if errors.As(err, &errno) && mapped {
			// The child, with fewer rights, would only find another error.
			p.Act("map the owners of %s: %s.uidMappings", c.Path, field)
			p.About(mapping(c.Path))
			p.Fail(errno)
		}
		// Where even the caller may not, the child's try names the error.
	}
	r := p.Reg("copy")
	if c.Link {
		p.CloneLink(c.Path).Into(r)
	} else {
		p.CloneTree(plan.Cwd(), c.name(), c.Recursive).Into(r)
	}
	t.same(p, r, c.Of)
	if mapped {
		p.Act("map the owners of %s: %s.uidMappings", c.Path, field)
		p.About(mapping(c.Path))
		p.SetIDMap(r, c.IDs, c.MapBelow)
	}
	return r
}
