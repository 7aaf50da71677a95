package rootfs

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/plan"
)

// labelled are the filesystems that linux.mountLabel is for: those whose files
// have no label of their own. proc, sysfs, cgroup2 and mqueue refuse "context"
// once they are mounted elsewhere without it, and what is bound keeps its labels.
var labelled = map[string]bool{"tmpfs": true, "ramfs": true, "devpts": true, "overlay": true}

// checkLabel refuses a label that nothing would look at. podman and containerd
// set one only where SELinux is on.
func checkLabel(l *specs.Linux, f Facts) error {
	if l == nil || l.MountLabel == "" || f.SELinux {
		return nil
	}
	return fmt.Errorf("linux.mountLabel: SELinux is not active on this host, leave it out")
}

func (t *Tree) mountLabel() string {
	if t.spec.Linux == nil {
		return ""
	}
	return t.spec.Linux.MountLabel
}

// label gives the mount the label of the spec, unless it names its own.
func (t *Tree) label(m *mount) {
	if t.mountLabel() == "" || !labelled[m.fstype] {
		return
	}
	for _, o := range m.data {
		switch o.key {
		case "context", "fscontext", "defcontext", "rootcontext":
			return
		}
	}
	m.data = append(m.data, option{"context", t.mountLabel()})
}

// maskLabel is label for the directories that masks are.
func (t *Tree) maskLabel(p *plan.Plan, fs plan.Reg) {
	if t.mountLabel() != "" {
		p.FsString(fs, "context", t.mountLabel())
	}
}
