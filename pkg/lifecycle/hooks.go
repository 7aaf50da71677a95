package lifecycle

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/handle"
	"sandbox/pkg/interrupt"
	"sandbox/pkg/plan"
	"sandbox/pkg/proc"
	"sandbox/pkg/spec"
	"sandbox/pkg/state"
	"sandbox/pkg/userns"
	"sandbox/pkg/world"
)

// hooked says whether a start has to stop for hooks before the root changes.
func hooked(h *specs.Hooks) bool {
	//lint:ignore SA1019 prestart is deprecated and Docker's only way to a network
	return h != nil && len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer) > 0
}

// hookWords lists hooks for a printed plan, in the order in which they run.
func hookWords(kind string, list []specs.Hook) []string {
	var words []string
	for i, h := range list {
		words = append(words, fmt.Sprintf("%s[%d] %s", kind, i, h.Path))
	}
	return words
}

// early are those that see the tree from outside.
func early(h *specs.Hooks) string {
	//lint:ignore SA1019 see hooked
	list := append(hookWords("prestart", h.Prestart), hookWords("createRuntime", h.CreateRuntime)...)
	return strings.Join(append(list, hookWords("createContainer", h.CreateContainer)...), ", ")
}

// printHooks appends to a plan that is only printed what its parent does when
// the payload runs and when it has ended.
func (g *program) printHooks() {
	h := g.Spec.Hooks
	if h == nil {
		return
	}
	for _, late := range []struct {
		kind, when string
		list       []specs.Hook
	}{{"poststart", "when it runs", h.Poststart}, {"poststop", "when it is deleted", h.Poststop}} {
		if len(late.list) > 0 {
			g.plan.Act("%s, the hooks %s", late.when, strings.Join(hookWords(late.kind, late.list), ", "))
			g.plan.Note(late.kind)
		}
	}
}

// runtimeHooks runs those between the namespaces and the change of root, in
// the order of the spec.
func (b *birth) runtimeHooks() error {
	h := b.Spec.Hooks
	r := b.run
	//lint:ignore SA1019 see hooked
	if err := r.runHooks("prestart", h.Prestart, &b.record, state.Creating, 0); err != nil {
		return err
	}
	if err := r.runHooks("createRuntime", h.CreateRuntime, &b.record, state.Creating, 0); err != nil {
		return err
	}
	return r.runHooks("createContainer", h.CreateContainer, &b.record, state.Creating, b.pid)
}

// startHooks runs those of start, inside the container.
func (r *Runtime) startHooks(rec *state.Record) error {
	h := rec.Hooks()
	if h == nil {
		return nil
	}
	return r.runHooks("startContainer", h.StartContainer, rec, state.Created, rec.Pid)
}

// poststart runs those that come when the payload runs. Since version 1.3 of
// the specification a failure of theirs is the start's, and the container is
// gone; before, it was only told (runtime.md, "Lifecycle", step 9).
func (r *Runtime) poststart(rec *state.Record) error {
	h := rec.Hooks()
	if h == nil {
		return nil
	}
	if spec.Before13(rec.OCIVersion) {
		return r.toldHooks("poststart", h.Poststart, rec, state.Running)
	}
	return r.runHooks("poststart", h.Poststart, rec, state.Running, 0)
}

// poststop runs those of a container that is gone, whatever they say.
func (r *Runtime) poststop(rec *state.Record) {
	h := rec.Hooks()
	if h == nil {
		return
	}
	r.Signals.Keep() // what comes now is meant for them: whatever else was under way has ended
	_ = r.toldHooks("poststop", h.Poststop, rec, state.Stopped)
}

// toldHooks runs each of a list; a failure is only told. It returns that of the last that a signal has ended.
func (r *Runtime) toldHooks(kind string, list []specs.Hook, rec *state.Record, status state.Status) (interrupted error) {
	for i := range list {
		if err := r.runHook(kind, i, list[i], rec, status, 0); err != nil {
			r.Warn(err.Error())
			if Interrupted(err) != 0 {
				interrupted = err
			}
		}
	}
	return interrupted
}

// runHooks runs a list in order and stops at the first that fails. inside is
// the process whose namespaces they run in; 0 is our own.
func (r *Runtime) runHooks(kind string, list []specs.Hook, rec *state.Record, status state.Status, inside int) error {
	for i, h := range list {
		if err := r.runHook(kind, i, h, rec, status, inside); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runtime) runHook(kind string, i int, h specs.Hook, rec *state.Record, status state.Status, inside int) error {
	state, err := hookState(rec, status, inside)
	if err != nil {
		return err
	}
	if h.Env == nil && inside == 0 {
		h.Env = os.Environ() // as with runc: a program of this host's, which is run here
	}
	var confined *specs.Process
	if kind == "startContainer" {
		confined = rec.Process()
		if h.Env == nil {
			h.Env = confined.Env // runc's habit, and what hooks that need a PATH rely on
		}
	}
	if err = r.spawnHook(h, state, rec, inside, confined); Interrupted(err) != 0 {
		return fmt.Errorf("error running %s hook #%d: %w", kind, i, err)
	}
	if err != nil {
		// Only the words: a hook that is not there says nothing about the
		// container's own program.
		return fmt.Errorf("error running %s hook #%d: %v", kind, i, err)
	}
	return nil
}

// hookState is what a hook reads on its standard input. Inside the container
// the pid is the one that is seen there (runtime.md, "State").
func hookState(rec *state.Record, status state.Status, inside int) ([]byte, error) {
	s := shown(rec, status)
	s.Contract = nil
	if status != state.Stopped {
		s.Pid = rec.Pid
	}
	if inside != 0 {
		pid, err := proc.Inside(rec.Pid)
		if err != nil {
			return nil, err
		}
		s.Pid = pid
	}
	return json.Marshal(s)
}

func (r *Runtime) spawnHook(h specs.Hook, state []byte, rec *state.Record, inside int, confined *specs.Process) error {
	in, err := world.Memfile("state", state)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := world.Memfile("output", nil)
	if err != nil {
		return err
	}
	defer out.Close()
	p := plan.New()
	// While it is hidden from the container, the container's own process, which
	// may share our memory, must be seen by the next hook.
	p.Private = true
	var processes unix.Rlimit
	if confined != nil {
		processes = confine.Ahead(p, confined.Rlimits, r.raises())
	}
	where, err := world.Enter(p, inside)
	if err != nil {
		return err
	}
	defer where.Close()
	if inside != 0 && !rec.Alive() { // nor was what has just been opened by its number
		return ErrNotRunning
	}
	if err := hookPlace(p, where, rec, confined != nil); err != nil {
		return err
	}
	p.Act("exec: %q", h.Path)
	for to, f := range []*os.File{in, out, out} {
		p.Do("dup3", unix.SYS_DUP3, plan.C(int(f.Fd())), plan.C(to), plan.C(0))
	}
	world.DefaultSignals(p)
	if confined != nil {
		var l labels
		if l, err = r.labels(confined); err == nil {
			defer l.close()
			l.write(p)
			err = r.confinedHook(p, h, rec, confined, where, processes)
		}
	} else {
		world.Descriptors(p, 3)
		world.RestoreFiles(p, r.Files)
		where.Born(p)
		p.Act("end with whoever waits for it")
		p.Prctl(unix.PR_SET_PDEATHSIG, plan.C(int(unix.SIGKILL)))
		err = execHook(p, h, where, func(plan.Arg) {})
	}
	if err != nil {
		return err
	}
	child, err := userns.Spawn(userns.Request{Plan: p, Signals: r.Signals})
	if err != nil {
		return err
	}
	return finish(child, h.Timeout, out, r.Signals)
}

// confinedHook appends a hook whose program is the container's: it may do no more than the
// payload, and is seen by others of the container only once it cannot.
func (r *Runtime) confinedHook(p *plan.Plan, h specs.Hook, rec *state.Record, confined *specs.Process, where *world.Entry, processes unix.Rlimit) error {
	if !rec.NoNewKeyring {
		world.Keyring(p)
	}
	world.Descriptors(p, 3)
	world.RestoreFiles(p, r.Files)
	facts := r.facts(&specs.Spec{Process: confined}, where.Userns)
	facts.Processes = processes
	c := confine.New(confined, facts)
	f, err := filter{}, error(nil)
	if rec.Seccomp != nil && rec.Seccomp.Notify == "" { // whom it asks knows the payload only
		if f, err = recordedFilter(rec, c); err != nil {
			return err
		}
	}
	c.Drop(p)
	return f.end(p, c, true, func(last ending) error {
		where.Born(p)
		if err := c.Limits(p); err != nil {
			return err
		}
		return execHook(p, h, where, last)
	})
}

func execHook(p *plan.Plan, h specs.Hook, where *world.Entry, last ending) error {
	args := h.Args
	if len(args) == 0 {
		args = []string{h.Path}
	}
	p.Act("exec: %q", h.Path)
	p.Do("setsid", unix.SYS_SETSID)
	p.Note(plan.NoteExec)
	last(plan.C(3))
	p.Act("exec: %q", h.Path)
	p.Do("execve", unix.SYS_EXECVE, plan.S(h.Path), plan.M(plan.CStrings(args)), plan.M(plan.CStrings(h.Env)))
	where.Leave(p)
	return nil
}

// hookPlace is where a hook begins, of which the specification says nothing: as
// runc's do, in the bundle, or in the container's tree.
func hookPlace(p *plan.Plan, e *world.Entry, rec *state.Record, inContainer bool) error {
	switch {
	case inContainer && rec.NoPivot:
		return e.Chroot(p, rec.Pid)
	case inContainer: // the root that it has entered
	case e.Entered():
		enterDir(p, rec.Rootfs, rec.RootfsID)
	default:
		enterDir(p, rec.Bundle, rec.BundleID)
	}
	return nil
}

// enterDir changes to a directory, if it is still the one that had its name when the container was made. Where it has gone, the
// hook begins in /; another one in its place is an error. For a hook's relative names would be files of somebody else's, here
// too, where we happen to stand.
func enterDir(p *plan.Plan, path string, id *handle.ID) {
	gone, done := p.Label("without "+path), p.Label("in a directory")
	dir := p.Open(path, unix.O_PATH|unix.O_DIRECTORY).On(unix.ENOENT, gone).On(unix.EACCES, gone).On(unix.ENOTDIR, gone).To("directory")
	if id != nil {
		p.Same(dir, path, id.Dev, id.Ino)
	}
	p.Fchdir(dir).On(unix.EACCES, gone)
	p.Close(dir)
	p.Goto(done)
	p.Here(gone)
	p.Chdir("/")
	p.Here(done)
}

// finish waits for a hook, at most so many seconds, and until a signal comes.
func finish(child *userns.Child, timeout *int, out *os.File, signals Signals) error {
	fd, err := unix.PidfdOpen(child.Pid, 0)
	if err != nil {
		return fmt.Errorf("open the hook's process: %w", err)
	}
	most := time.Duration(-1)
	if timeout != nil && *timeout > 0 {
		most = time.Duration(*timeout) * time.Second
	}
	ended, interrupted := interrupt.Readable(signals, fd, most)
	unix.Close(fd)
	if !ended {
		// Its whole group: what it started must not stay behind on the host. It has not been waited for, so that the
		// number is still its own.
		_ = unix.Kill(-child.Pid, unix.SIGKILL)
	}
	status, err := child.Wait()
	if err = cmp.Or(interrupted, err); err != nil {
		return err
	}
	if !ended {
		return fmt.Errorf("no end within %d seconds", *timeout)
	}
	if exitStatus(status) == 0 {
		return nil
	}
	how := fmt.Sprintf("exit status %d", status.ExitStatus())
	if status.Signaled() {
		how = "signal: " + status.Signal().String()
	}
	if said := tail(out); said != "" {
		how += ", output: " + said
	}
	return errors.New(how)
}

// tail is the end of what a hook said, on one line.
func tail(f *os.File) string {
	const most = 1024
	size := int64(0)
	if info, err := f.Stat(); err == nil {
		size = info.Size()
	}
	b := make([]byte, min(size, most))
	if _, err := f.ReadAt(b, max(0, size-most)); err != nil {
		return ""
	}
	return string(bytes.ReplaceAll(bytes.TrimSpace(b), []byte("\n"), []byte("; ")))
}
