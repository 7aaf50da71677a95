package state

import (
	"errors"
	"io/fs"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/seccomp"
	"sandbox/pkg/spec"
)

// origin is what SpecFile says: what a container was made from.
type origin struct {
	Spec    *specs.Spec     `json:"spec"`
	Seccomp *seccomp.Filter `json:"seccomp,omitempty"` // instead of linux.seccomp, which is long too
}

// WriteSpec writes down what a container is made from: complete or not at all.
func (d *Dir) WriteSpec(s *specs.Spec, f *seccomp.Filter) error {
	kept := *s
	if s.Linux != nil && s.Linux.Seccomp != nil {
		l := *s.Linux
		l.Seccomp = nil
		kept.Linux = &l
	}
	return d.replace(SpecFile, &origin{&kept, f})
}

// Recall adds the spec to a record that was read. Afterwards it has one, with a program to run.
func (d *Dir) Recall(rec *Record) error {
	if rec.Spec != nil {
		return nil
	}
	var o origin
	_, err := d.decode(SpecFile, &o)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if d.Recorded() {
			return d.damaged(RecordFile, errors.New("its spec is not there"))
		}
		return ErrNotExist // removed meanwhile
	case err != nil:
		return err
	case !runs(o.Spec):
		return d.damaged(SpecFile, errors.New("no program"))
	}
	rec.Spec, rec.Seccomp = o.Spec, o.Seccomp
	return nil
}

// runs says whether a spec has a program.
func runs(s *specs.Spec) bool { return s != nil && s.Process != nil && len(s.Process.Args) > 0 }

// former is what a record said of its spec before that was written down as a whole, in a file of its own. Containers that
// were started by such a version may live for years.
type former struct {
	Resources    *specs.LinuxResources    `json:"resources"`
	Personality  *specs.LinuxPersonality  `json:"personality"`
	MemoryPolicy *specs.LinuxMemoryPolicy `json:"memoryPolicy"`
	Process      *specs.Process           `json:"process"`
	Hooks        *specs.Hooks             `json:"hooks"`
	Seccomp      *seccomp.Filter          `json:"seccomp"`
}

// recallFormer takes from the text of such a record as much of a spec as it has.
func (r *Record) recallFormer(text []byte) error {
	var f former
	if err := spec.Decode(text, &f); err != nil {
		return err
	}
	s := &specs.Spec{
		Version: r.OCIVersion, Process: f.Process, Hooks: f.Hooks, Annotations: r.Annotations,
		Linux: &specs.Linux{Resources: f.Resources, Personality: f.Personality, MemoryPolicy: f.MemoryPolicy},
	}
	if r.Hooked = f.Hooks != nil; runs(s) {
		r.Spec, r.Seccomp = s, f.Seccomp
	}
	return nil
}
