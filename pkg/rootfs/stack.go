package rootfs

import (
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// The root of an image is an overlay of many layers. From Linux 6.5 on they are told one by one (commit 24e16e385f22); before,
// mount(2) takes what fits into a page, where the names are short and begin at the working directory.

// stack are the layers of such a mount, the topmost first; nil for any other.
func (m *mount) stack() []string {
	if m.fstype != "overlay" || m.lower != "" {
		return nil
	}
	i := slices.IndexFunc(m.data, func(o option) bool { return o.key == "lowerdir" })
	if i < 0 {
		return nil
	}
	layers := splitLayers(m.data[i].value)
	for j, layer := range layers {
		layers[j] = unescape(layer)
	}
	return layers
}

// createStack mounts it, for the root alone.
func (t *Tree) createStack(p *plan.Plan, m *mount, layers []string) {
	p.Act("mount %s on %s", m.fstype, m.dest)
	about := m.making()
	p.About(about)
	m.tree = p.Reg("overlay")
	old, done := p.Label("mount layers by one call"), p.Label("have the layers")
	fs := p.Fsopen(m.fstype).To("overlay context")
	p.FsString(fs, "source", m.fstype)
	about.Detail = option{"lowerdir+", layers[0]}.detail()
	p.FsString(fs, "lowerdir+", layers[0]).On(unix.EINVAL, old).About(about)
	for _, layer := range layers[1:] {
		about.Detail = option{"lowerdir+", layer}.detail()
		p.FsString(fs, "lowerdir+", layer).About(about)
	}
	rest := slices.DeleteFunc(slices.Clone(m.data), func(o option) bool { return o.key == "lowerdir" })
	configure(p, fs, t.fromRoom(p, rest), m.making())
	p.FsCreate(fs)
	p.Chdir("/")
	p.Fsmount(fs, m.attr.set).Into(m.tree)
	p.Goto(done)
	p.Here(old)
	t.stackAtOnce(p, m, layers, rest)
	p.Here(done)
	if o := t.facts.RootOwner; o != nil {
		p.Fchownat(m.tree, o[0], o[1])
	}
	p.Close(fs)
	spread(p, m.tree, m.spread)
}

// fromRoom has the directories of the upper layer begin at the one they lie in, where that was looked at: that very one.
func (t *Tree) fromRoom(p *plan.Plan, data []option) []option {
	room := ""
	for _, o := range data {
		if o.key == "upperdir" {
			room = filepath.Dir(filepath.Dir(unescape(o.value)))
		}
	}
	of := t.facts.Paths[room]
	if of == nil {
		return data
	}
	dir := p.Open(Copy{Path: room, Of: of}.name(), unix.O_PATH|unix.O_DIRECTORY).To("room")
	t.same(p, dir, of)
	p.Fchdir(dir)
	p.Close(dir)
	data = slices.Clone(data)
	for i, o := range data {
		if rest, ok := strings.CutPrefix(unescape(o.value), room+"/"); ok && (o.key == "upperdir" || o.key == "workdir") {
			data[i].value = escape(rest)
		}
	}
	return data
}

// stackAtOnce is the way of old: it attaches the mount, where the root is attached later, and takes a copy of it away.
func (t *Tree) stackAtOnce(p *plan.Plan, m *mount, layers []string, rest []option) {
	dir := common(layers)
	names := make([]string, len(layers))
	for i, layer := range layers {
		names[i] = escape(strings.TrimPrefix(layer, dir+"/"))
	}
	words := []string{"lowerdir=" + strings.Join(names, ":")}
	for _, o := range rest {
		word := o.key
		if o.value != "" {
			word += "=" + o.value
		}
		words = append(words, word)
	}
	p.Act("mount %s on %s by one call", m.fstype, m.dest)
	p.About(m.making())
	p.Chdir(dir)
	p.Do("mount", unix.SYS_MOUNT, plan.S(m.fstype), plan.S(t.path), plan.S(m.fstype), plan.C(0), plan.S(strings.Join(words, ",")))
	p.CloneTree(plan.Cwd(), t.path, false).Into(m.tree)
	p.Do("umount2", unix.SYS_UMOUNT2, plan.S(t.path), plan.C(unix.MNT_DETACH))
	p.Chdir("/")
	if m.attr.set != 0 {
		p.SetAttr(m.tree, m.attr.set, 0, 0, false)
	}
}

// common is the directory that all of them lie in.
func common(layers []string) string {
	dir := filepath.Dir(layers[0])
	for _, layer := range layers[1:] {
		for !strings.HasPrefix(layer, strings.TrimSuffix(dir, "/")+"/") {
			dir = filepath.Dir(dir)
		}
	}
	return dir
}

// escape protects a name in an option of an overlay.
func escape(name string) string {
	return strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`).Replace(name)
}
