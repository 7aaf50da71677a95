package confine

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// ExecWords are the words of the steps that run a program. They are all that is known of a
// step to the caller of start, who has another process's plan to hear of.
func ExecWords(name string) string { return fmt.Sprintf("exec: %q", name) }

// Find appends the search for the program, as execvp(3) does it but inside the
// container and with the payload's rights, and returns where its path will be.
// It runs before the container counts as created, so a missing program fails
// create and not start.
//
// A failure is named `exec: "name"`, with ENOENT for not found, EACCES for no
// permission and EISDIR for a directory.
func (c *Process) Find(p *plan.Plan) plan.Reg {
	name := c.spec.Args[0]
	p.Act("%s", ExecWords(name))
	p.About(attempt(kernel.Op{Do: kernel.Exec, Path: name}))
	program, found := p.Reg("program"), p.Label("found "+name)
	paths := candidates(name, c.spec.Env)
	denied := p.Reg("denied")
	p.Set(denied, plan.C(0))
	for _, path := range paths {
		c.try(p, path, program, denied, found)
	}
	// Like execvp(3): a program that may not be run is reported only when
	// nothing better was found.
	missing := p.Label("not found")
	p.Set(denied, plan.R(denied)).IfZero(missing)
	p.Fail(unix.EACCES)
	p.Here(missing)
	p.Fail(unix.ENOENT)
	p.Here(found)
	return program
}

func (c *Process) try(p *plan.Plan, path string, program, denied plan.Reg, found plan.Label) {
	next, file, no := p.Label("next"), p.Label("a file"), p.Label("may not")
	p.Set(program, plan.S(path))
	dir := p.OpenAt(plan.Cwd(), path, unix.O_PATH|unix.O_DIRECTORY, 0)
	dir.On(unix.ENOTDIR, file).On(unix.ENOENT, next).On(unix.EACCES, no).On(unix.ELOOP, next).On(unix.ENAMETOOLONG, next)
	fd := dir.To("directory")
	p.Close(fd)
	if path == c.spec.Args[0] {
		p.Fail(unix.EISDIR)
	}
	p.Here(no)
	p.Set(denied, plan.C(1))
	p.Goto(next)
	p.Here(file)
	access := p.Do("faccessat2", unix.SYS_FACCESSAT2, plan.Cwd(), plan.S(path), plan.C(unix.X_OK), plan.C(unix.AT_EACCESS)).
		On(unix.ENOENT, next).On(unix.ENOSYS, found).On(unix.EPERM, found) // a filter that does not know it: execve(2) will tell
	if path == c.spec.Args[0] {
		below := p.Label("below a file")
		access.On(unix.ENOTDIR, below).On(plan.AnyErrno, no)
		p.Goto(found)
		p.Here(below)
		p.Fail(unix.ENOTDIR)
	} else {
		access.On(unix.ENOTDIR, next).On(plan.AnyErrno, no)
		p.Goto(found)
	}
	p.Here(next)
}

// candidates are the paths that may be meant by name.
func candidates(name string, env []string) []string {
	if name == "" {
		return nil // no file has it; in $PATH it would be each directory
	}
	if strings.Contains(name, "/") {
		return []string{name}
	}
	path := ""
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			path = v
		}
	}
	var list []string
	for _, dir := range strings.Split(path, ":") {
		if dir == "" {
			dir = "." // an empty element is the working directory (execvp(3))
		}
		list = append(list, dir+"/"+name)
	}
	return list
}

// Exec appends the last steps: the note to the parent that the plan is about to
// exec, then the steps that last appends (loading the seccomp filter, which may
// forbid the sending of a note), then execve(2).
func (c *Process) Exec(p *plan.Plan, program plan.Reg, last func()) {
	p.Act("%s", ExecWords(c.spec.Args[0]))
	p.Note("exec")
	last()
	p.Act("%s", ExecWords(c.spec.Args[0]))
	p.About(attempt(kernel.Op{Do: kernel.Exec, Path: c.spec.Args[0]}))
	p.Do("execve", unix.SYS_EXECVE, plan.R(program), plan.M(plan.CStrings(c.spec.Args)), plan.M(plan.CStrings(c.spec.Env)))
}
