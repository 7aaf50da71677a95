package network

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/plan"
	"sandbox/pkg/seccomp"
	"sandbox/pkg/slirp"
	"sandbox/pkg/userns"
	"sandbox/pkg/world"
)

// The only argument of the processes of ours that a network consists of.
const (
	Arg      = "__network"
	PortsArg = slirp.PortsArg
)

// Serve is the helper's whole life. It was started by Network.Begin, with the
// descriptors of slirp.FdJob.
func Serve() error {
	job, err := slirp.ReadJob()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		err = fmt.Errorf("read what the network is to be: %w", err)
		_, _ = unix.Write(slirp.FdReady, []byte(err.Error()))
		return err
	}
	h := &slirp.Helper{Job: job, Spawn: func(p *slirp.Program) (slirp.Child, error) { return spawnBeside(&job, p) }}
	return h.OnMain(h.Serve)
}

// spawnBeside starts a program that serves a container from outside of its root: it may join
// the container's user and network namespace, and not its mounts. Root of that user namespace
// can trace the process, so the process has nothing worth taking: its root is an empty
// directory, and it has no capabilities and no descriptors besides those of its task. A
// container that could see the process gets no network; see package lifecycle.
func spawnBeside(job *slirp.Job, of *slirp.Program) (slirp.Child, error) {
	p := plan.New()
	p.Private = true
	p.Act("keep the container out of this process")
	p.Prctl(unix.PR_SET_DUMPABLE, plan.C(0))
	p.Act("join the container's namespaces")
	if of.User {
		p.Setns(plan.C(slirp.FdUser), unix.CLONE_NEWUSER)
	}
	if of.Net {
		p.Setns(plan.C(slirp.FdNet), unix.CLONE_NEWNET)
	}
	end := execBeside
	if of.Hold {
		end = hold
	}
	return end(p, job, of)
}

// execBeside appends the rest for what is a program, and starts it.
func execBeside(p *plan.Plan, job *slirp.Job, of *slirp.Program) (slirp.Child, error) {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return slirp.Child{}, err
	}
	defer exe.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return slirp.Child{}, err
	}
	defer null.Close()
	if of.Root != "" {
		onlyTree(p, of.Root)
	} else if !of.User {
		ownMounts(p)
	}
	// Ours needs no root, and a directory that is the caller's.
	if of.User && job.RootID && of.Path != "" {
		p.Act("be root of the user namespace")
		p.Do("setresgid", unix.SYS_SETRESGID, plan.C(0), plan.C(0), plan.C(0))
		p.Do("setresuid", unix.SYS_SETRESUID, plan.C(0), plan.C(0), plan.C(0))
	}
	if of.Path == "" {
		p.Act("have no capabilities")
		p.Prctl(unix.PR_SET_SECUREBITS, plan.C(noRoot)).Ignore(unix.EPERM)
		p.Prctl(unix.PR_SET_NO_NEW_PRIVS, plan.C(1), plan.C(0), plan.C(0), plan.C(0))
	}
	p.Act("end with the helper")
	p.Prctl(unix.PR_SET_PDEATHSIG, plan.C(int(unix.SIGKILL)))
	p.Act("exec: %q", of.Args[0])
	out := of.Stderr
	if out == nil {
		out = null
	}
	// Up first, so that none is overwritten before its turn.
	files := append([]*os.File{null, out, out}, of.Files...)
	path := of.Path
	if of.Own != nil { // it stays open: it may be a script, whose interpreter opens it again
		path = fmt.Sprintf("/proc/self/fd/%d", len(files))
		files = append(files, of.Own)
	}
	up := func(f *os.File) plan.Reg {
		return p.Do("fcntl", unix.SYS_FCNTL, plan.C(int(f.Fd())), plan.C(unix.F_DUPFD_CLOEXEC), plan.C(len(files))).To("kept")
	}
	kept := make([]plan.Reg, len(files))
	for i, f := range files {
		kept[i] = up(f)
	}
	program := up(exe)
	for i, fd := range kept {
		p.Do("dup3", unix.SYS_DUP3, plan.R(fd), plan.C(i), plan.C(0))
	}
	p.CloseFrom(len(files), unix.CLOSE_RANGE_CLOEXEC)
	world.DefaultSignals(p)
	p.Note(plan.NoteExec)
	args, env := plan.M(plan.CStrings(of.Args)), plan.M(plan.CStrings(of.Env))
	if of.Path == "" {
		p.Do("execveat", unix.SYS_EXECVEAT, plan.R(program), plan.S(""), args, env, plan.C(unix.AT_EMPTY_PATH))
	} else {
		p.Do("execve", unix.SYS_EXECVE, plan.S(path), args, env) // by name: it may be a script
	}
	return spawned(userns.Spawn(userns.Request{Plan: p}))
}

// gateHeld is the last that is heard of a process that only is there.
const gateHeld = "held"

// hold appends the rest for a process that only is in the namespaces, and starts it. It has
// the host's tree, and must be one that pasta may look at, so that others may as well: they
// find nothing to have it do.
func hold(p *plan.Plan, _ *slirp.Job, _ *slirp.Program) (slirp.Child, error) {
	confine.Nothing(p)
	p.Act("end with the helper")
	p.Prctl(unix.PR_SET_PDEATHSIG, plan.C(int(unix.SIGKILL)))
	world.Descriptors(p, 0)
	p.Act("be there")
	only, err := seccomp.Only(unix.SYS_PPOLL, unix.SYS_PRCTL, unix.SYS_SENDTO, unix.SYS_READ, unix.SYS_CLOSE)
	if err != nil {
		return slirp.Child{}, err
	}
	only.Load(p)
	p.Gate(gateHeld)
	p.CloseNumber(0)
	p.Prctl(unix.PR_SET_DUMPABLE, plan.C(1))
	again := p.Label("there")
	p.Here(again)
	p.Do("ppoll", unix.SYS_PPOLL, plan.C(0), plan.C(0), plan.C(0), plan.C(0), plan.C(0)).Ignore()
	p.Goto(again)
	return spawned(userns.Spawn(userns.Request{Plan: p, Until: gateHeld}))
}

func spawned(c *userns.Child, err error) (slirp.Child, error) {
	if err != nil {
		return slirp.Child{}, err
	}
	return slirp.Child{Pid: c.Pid, PidFD: c.PidFD}, nil
}

// ownMounts keeps what a program with privileges mounts away from the host, and
// lets it change its root, which a shared tree forbids (pivot_root(2)).
func ownMounts(p *plan.Plan) {
	p.Act("have mounts of its own")
	none := p.Label("no right to")
	p.Unshare(unix.CLONE_NEWNS).On(unix.EPERM, none)
	p.Propagation("/", unix.MS_REC|unix.MS_SLAVE)
	p.Here(none)
}

// onlyTree makes a directory the root, and lets go of everything else.
func onlyTree(p *plan.Plan, path string) {
	p.Act("see nothing but %s", path)
	p.Unshare(unix.CLONE_NEWNS)
	p.Propagation("/", unix.MS_REC|unix.MS_PRIVATE)
	place := p.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW).To("directory")
	root := p.CloneTree(plan.R(place), "", false).To("root")
	p.MoveMount(root, place)
	p.Fchdir(root)
	p.Do("pivot_root", unix.SYS_PIVOT_ROOT, plan.S("."), plan.S("."))
	p.Do("umount2", unix.SYS_UMOUNT2, plan.S("."), plan.C(unix.MNT_DETACH))
}

// noRoot are SECBIT_NOROOT and its lock of linux/securebits.h: exec gives uid 0
// nothing (capabilities(7)).
const noRoot = 1<<0 | 1<<1

// ServePorts is the life of the port driver's half inside.
func ServePorts() error {
	// Others of the container's user namespace who see it have that one to enter.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	return slirp.ServePorts()
}
