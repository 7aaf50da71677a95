package lifecycle

import (
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// labels are what a process tells the security modules, and the /proc that it
// tells them through; the zero value is none.
type labels struct {
	list []confine.Label
	proc *os.File
}

// labels reads those of a process. One that no module would enforce is refused,
// as runc does: the container would be less confined than it says.
func (r *Runtime) labels(p *specs.Process) (labels, error) {
	var l labels
	if p.SelinuxLabel != "" {
		if !r.Kernel.SELinux() {
			return l, fmt.Errorf("process.selinuxLabel: SELinux is not enabled on this host (no /sys/fs/selinux); leave the field out")
		}
		l.list = append(l.list, confine.Label{Field: "process.selinuxLabel", File: "attr/exec", Text: p.SelinuxLabel, Do: kernel.SetLabel})
	}
	switch profile := p.ApparmorProfile; {
	case profile == "":
	case r.Kernel.AppArmor():
		l.list = append(l.list, confine.Label{Field: "process.apparmorProfile", File: r.Kernel.AppArmorExec(), Text: "exec " + profile, Do: kernel.SetProfile})
	case profile != "unconfined": // which everything is, without it
		return l, fmt.Errorf("process.apparmorProfile: AppArmor is not enabled on this host; leave the field out")
	}
	if len(l.list) == 0 {
		return l, nil
	}
	var err error
	l.proc, err = openProcfs("/proc")
	return l, err
}

// openProcfs opens the caller's /proc, which must be one: somebody's directory
// in its place would swallow every label (CVE-2019-16884).
func openProcfs(path string) (*os.File, error) {
	f, err := os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	const rootIno = 1 // PROC_ROOT_INO: a part of one, bound here, is not enough
	var fs unix.Statfs_t
	var st unix.Stat_t
	if unix.Fstatfs(int(f.Fd()), &fs) != nil || fs.Type != unix.PROC_SUPER_MAGIC || unix.Fstat(int(f.Fd()), &st) != nil || st.Ino != rootIno {
		f.Close()
		return nil, fmt.Errorf("%s is not a proc file system: labels cannot be set through it", path)
	}
	return f, nil
}

func (l *labels) write(p *plan.Plan) {
	if l.proc != nil {
		confine.Labels(p, int(l.proc.Fd()), l.list)
	}
}

func (l *labels) close() {
	if l.proc != nil {
		l.proc.Close()
	}
}

// grant records the features that the labels are.
func (l *labels) grant(c *kernel.Contract) {
	for _, one := range l.list {
		if one.Field == "process.selinuxLabel" {
			c.Grant(kernel.FeatSELinux)
		} else {
			c.Grant(kernel.FeatAppArmor)
		}
	}
}

// tuning collects what the schedulers and the memory policy are told.
func tuning(s *specs.Spec) confine.Tuning {
	t := confine.Tuning{Scheduler: s.Process.Scheduler, IOPriority: s.Process.IOPriority}
	if s.Linux != nil {
		t.Personality, t.MemoryPolicy = s.Linux.Personality, s.Linux.MemoryPolicy
	}
	return t
}
