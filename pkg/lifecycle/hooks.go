package lifecycle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/confine"
	"sandbox/pkg/plan"
	"sandbox/pkg/userns"
)

// hooked says whether a start has to stop for hooks before the root changes.
func hooked(h *specs.Hooks) bool {
	//lint:ignore SA1019 prestart is deprecated and Docker's only way to a network
	return h != nil && len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer) > 0
}

// runtimeHooks runs those between the namespaces and the change of root, in
// the order of the spec.
func (b *birth) runtimeHooks() error {
	h := b.Spec.Hooks
	r := b.program.run
	//lint:ignore SA1019 see hooked
	if err := r.runHooks("prestart", h.Prestart, &b.record, Creating, 0); err != nil {
		return err
	}
	if err := r.runHooks("createRuntime", h.CreateRuntime, &b.record, Creating, 0); err != nil {
		return err
	}
	return r.runHooks("createContainer", h.CreateContainer, &b.record, Creating, b.pid)
}

// startHooks runs those of start, inside the container.
func (r *Runtime) startHooks(rec *Record) error {
	if rec.Hooks == nil {
		return nil
	}
	return r.runHooks("startContainer", rec.Hooks.StartContainer, rec, Created, rec.Pid)
}

// hooks runs those whose failure is only told: the container is there, or gone,
// whatever they say.
func (r *Runtime) hooks(kind string, h *specs.Hooks, rec *Record, status Status) {
	if h == nil {
		return
	}
	list := h.Poststart
	if kind == "poststop" {
		list = h.Poststop
	}
	for i := range list {
		if err := r.runHooks(kind, list[i:i+1], rec, status, 0); err != nil {
			r.Warn(err.Error())
		}
	}
}

// runHooks runs a list in order and stops at the first that fails. inside is
// the process whose namespaces they run in; 0 is our own.
func (r *Runtime) runHooks(kind string, list []specs.Hook, rec *Record, status Status, inside int) error {
	if len(list) == 0 {
		return nil
	}
	s := rec.state(status)
	s.Pid, s.Contract = rec.Pid, nil
	if status == Stopped {
		s.Pid = 0
	}
	state, err := json.Marshal(s)
	if err != nil {
		return err
	}
	for i, h := range list {
		var confined *specs.Process
		if kind == "startContainer" {
			confined = rec.Process
		}
		if err := r.runHook(h, state, inside, confined); err != nil {
			// Only the words: a hook that is not there says nothing about the
			// container's own program.
			return fmt.Errorf("error running %s hook #%d: %v", kind, i, err)
		}
	}
	return nil
}

// memfile is an anonymous file with that content, at its beginning.
func memfile(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.WriteAt(content, 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (r *Runtime) runHook(h specs.Hook, state []byte, inside int, confined *specs.Process) error {
	in, err := memfile("state", state)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := memfile("output", nil)
	if err != nil {
		return err
	}
	defer out.Close()
	p := plan.New()
	// While it is hidden from the container, the container's own process, which
	// may share our memory, must be seen by the next hook.
	p.Private = true
	where, err := r.enter(p, inside)
	if err != nil {
		return err
	}
	defer where.close()
	p.Act("exec: %q", h.Path)
	for to, f := range []*os.File{in, out, out} {
		p.Do("dup3", unix.SYS_DUP3, plan.C(int(f.Fd())), plan.C(to), plan.C(0))
	}
	p.CloseFrom(3, unix.CLOSE_RANGE_CLOEXEC)
	p.Do("setsid", unix.SYS_SETSID)
	if confined != nil {
		// Its program is the image's, and may do no more than the payload.
		c := confine.New(confined, r.facts(&specs.Spec{Process: confined}, where.userns))
		if err := c.Limits(p); err != nil {
			return err
		}
		c.Drop(p)
	}
	args := h.Args
	if len(args) == 0 {
		args = []string{h.Path}
	}
	p.Act("exec: %q", h.Path)
	p.Note(userns.NoteExec)
	p.Do("execve", unix.SYS_EXECVE, plan.S(h.Path), plan.M(plan.CStrings(args)), plan.M(plan.CStrings(h.Env)))
	where.leave(p)
	child, err := userns.Spawn(userns.Request{Plan: p})
	if err != nil {
		return err
	}
	return finish(child, h.Timeout, out)
}

// finish waits for a hook, at most so many seconds.
func finish(child *userns.Child, timeout *int, out *os.File) error {
	var late *time.Timer
	if timeout != nil && *timeout > 0 {
		// Its whole session: what it started must not stay behind on the host.
		late = time.AfterFunc(time.Duration(*timeout)*time.Second, func() { _ = unix.Kill(-child.Pid, unix.SIGKILL) })
	}
	status, err := child.Wait()
	if err != nil {
		return err
	}
	if late != nil && !late.Stop() {
		return fmt.Errorf("no end within %d seconds", *timeout)
	}
	if code := exitStatus(status); code != 0 {
		return fmt.Errorf("exit status %d, output: %s", code, tail(out))
	}
	return nil
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
