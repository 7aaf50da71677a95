package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/console"
	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/seccomp"
	"sandbox/pkg/state"
	"sandbox/pkg/userns"
)

// filter is a container's seccomp filter, or none.
type filter struct{ *seccomp.Filter }

// compileFilter reads linux.seccomp and asks the kernel whether it would take
// the filter, before anything is made.
func (r *Runtime) compileFilter(l *specs.Linux, proc *confine.Process) (filter, error) {
	if l == nil || l.Seccomp == nil {
		return filter{}, nil
	}
	c, err := seccomp.Compile(l.Seccomp)
	if err != nil {
		return filter{}, err
	}
	if c.Path != "" {
		var st unix.Stat_t
		if err := unix.Stat(c.Path, &st); err != nil {
			return filter{}, fmt.Errorf("linux.seccomp.listenerPath: failed to connect with seccomp agent: %w", &os.PathError{Op: "stat", Path: c.Path, Err: err})
		}
	}
	if err := r.takesFilter(c.Flags); err != nil {
		return filter{}, err
	}
	c.Pack()
	return filter{c}, filter{c}.check(proc)
}

// takesFilter asks the kernel for a filter that cannot be: a program at address 0 cannot be read (EFAULT), and whatever is
// refused for another reason is refused before that (seccomp_set_mode_filter).
func (r *Runtime) takesFilter(flags uint32) error {
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(flags), 0)
	switch {
	case errno == unix.EINVAL && flags != 0:
		return fmt.Errorf("linux.seccomp.flags: this kernel does not have all of them: %w", errno)
	case errno != unix.EFAULT:
		return r.because(kernel.Op{Do: kernel.OtherCall, Data: "seccomp"}, fmt.Errorf("linux.seccomp: load a filter (to run without: --security-opt seccomp=unconfined): %w", errno))
	}
	return nil
}

// recordedFilter is that of a container that runs, for one more process.
func recordedFilter(rec *state.Record, proc *confine.Process) (filter, error) {
	f := filter{rec.Seccomp}
	if f.Filter == nil {
		return f, nil
	}
	if err := f.Unpack(); err != nil {
		return f, fmt.Errorf("the recorded seccomp filter: %w", err)
	}
	return f, f.check(proc)
}

// check says why a process could not come under the filter.
func (f filter) check(proc *confine.Process) error {
	if f.Filter == nil {
		return nil
	}
	if !proc.Hold() {
		return errors.New("linux.seccomp: a filter needs process.noNewPrivileges, or CAP_SYS_ADMIN, which we do not have")
	}
	if f.NoExec {
		return errors.New("linux.seccomp.syscalls: execve must be allowed: the program is executed under the filter")
	}
	if f.NoCapset && proc.Raises() {
		return errors.New("linux.seccomp.syscalls: capset must be allowed without process.noNewPrivileges: capabilities are dropped under the filter")
	}
	return nil
}

// end appends what is left of a plan, whose last step is the exec, with the filter in it.
//
// It is loaded last of all, between the last word to the parent and the exec: so the
// only calls of ours under the filter are execve and, without no_new_privs, one capset.
// In a process that others of the container see meanwhile it comes first, where it lets
// the rest through: who may trace would be without the filter in there, or get the right
// to load one.
func (f filter) end(p *plan.Plan, proc *confine.Process, seen bool, rest func(last ending) error) error {
	if f.Filter != nil && seen {
		at := len(p.Steps)
		listener := f.load(p, proc)
		from := len(p.Steps)
		if err := rest(func(parent plan.Arg) { f.handOver(p, parent, listener) }); err != nil {
			return err
		}
		if f.Lets(p.Steps[from:]) {
			return nil
		}
		p.Cut(at)
	}
	return rest(func(parent plan.Arg) {
		if f.Filter != nil {
			f.handOver(p, parent, f.load(p, proc))
		}
	})
}

// ending is what comes between the last word to the parent and the exec.
type ending func(parent plan.Arg)

func (f filter) load(p *plan.Plan, proc *confine.Process) plan.Reg {
	return proc.Filtered(p, func() *plan.Step { return f.Load(p) }).To("listener")
}

// handOver passes the listener on to whoever listens at the plan's socket.
func (f filter) handOver(p *plan.Plan, parent plan.Arg, listener plan.Reg) {
	if f.Notify != "" {
		p.Act("hand over the seccomp listener")
		userns.HandOver(p, f.Notify, parent, listener)
	}
}

// relay sends the listener to the agent: one connection, one message, with the
// state as runtime-spec's ContainerProcessState.
func (f filter) relay(listener *os.File, pid int, rec *state.Record, status state.Status) error {
	defer listener.Close()
	text, err := json.Marshal(specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: pid, Metadata: f.Meta,
		State: specs.State{
			Version: rec.OCIVersion, ID: rec.ID, Status: specs.ContainerState(status), Pid: rec.Pid,
			Bundle: rec.Bundle, Annotations: rec.Annotations,
		},
	})
	if err == nil {
		err = sendListener(f.Path, text, int(listener.Fd()))
	}
	if err != nil {
		return fmt.Errorf("linux.seccomp.listenerPath: failed to connect with seccomp agent %s: %w", f.Path, err)
	}
	return nil
}

func sendListener(path string, text []byte, listener int) error {
	sock, err := console.Connect(path)
	if err != nil {
		return err
	}
	defer sock.Close()
	// Who listens there answers the calls of the payload, and could hand it files. Root's agents may be in a container (a
	// cluster has them so), where root has put their sockets.
	if os.Geteuid() != 0 {
		if err := console.NotInside(sock); err != nil {
			return err
		}
	}
	n, err := unix.SendmsgN(int(sock.Fd()), text, unix.UnixRights(listener), nil, unix.MSG_NOSIGNAL)
	if err == nil && n < len(text) {
		_, err = sock.Write(text[n:])
	}
	return err
}
