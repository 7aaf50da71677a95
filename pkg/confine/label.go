package confine

import (
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// Label is the text a security module wants in a file of the process before
// its exec (proc_pid_attr(5)).
type Label struct {
	Field string // of the spec, for the error
	File  string // below /proc/thread-self
	Text  string
	Do    kernel.Action // SetProfile or SetLabel
}

// Labels appends them. proc is an fd of the caller's /proc that the caller has
// found to be a procfs: the container's own may be anything by now, and a label
// written to a file that somebody put there would be no label
// (CVE-2019-16884). RESOLVE_NO_XDEV keeps to that one mount, so that nothing
// mounted over the file or on the way to it counts (CVE-2025-52881).
//
// The process itself must open and write the file: the kernel compares both
// with the reader's own memory (Linux 5.13).
func Labels(p *plan.Plan, proc int, labels []Label) {
	for _, l := range labels {
		p.Act("set %s", l.Field)
		p.About(attempt(kernel.Op{Do: l.Do}))
		fd := p.OpenBeneath(plan.C(proc), "thread-self/"+l.File, unix.O_WRONLY).To("label")
		p.Do("write", unix.SYS_WRITE, plan.R(fd), plan.M(plan.CString(l.Text)), plan.C(len(l.Text)))
		p.Close(fd)
	}
}
