package idmap

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"syscall"

	"sandbox/pkg/interrupt"
)

// way is who writes a map.
type way int

const (
	nobody     way = iota // the identity
	direct                // we do, with one write(2)
	directDeny            // we do, after "deny" was written to setgroups
	byHelper              // newuidmap or newgidmap does
)

// decide applies the rules of user_namespaces(7), "Defining user and group ID
// mappings". With CAP_SETUID (CAP_SETGID) in our namespace every map is ours to
// write. Without, it is one extent of one id, our own; for the group only when
// setgroups(2) was given up, because dropping a group may grant access
// (CVE-2014-8989). It is never given up when it need not be: apt and others
// call setgroups.
func decide(k Kind, m Map, c Caller, st status) way {
	extents := k.of(m)
	switch {
	case m.IsIdentity():
		return nobody
	case st.holds(k.capability()):
		return direct
	case len(extents) != 1 || extents[0].Size != 1 || extents[0].Host != k.own(c):
		return byHelper
	case k == GID:
		return directDeny
	}
	return direct
}

// Install is a map that is being written.
type Install struct {
	helpers []running
	stderr  pipe
	errs    []error
}

// Start begins to write a map for a child that is held at a gate in a new user
// namespace of ours. The pid must be our own child, not yet waited for, so that
// it cannot become somebody else's. Both helpers run at once, and what we write
// ourselves is written when Start returns; Wait must be called, whatever happens
// to the child.
func (h Host) Start(pid int, m Map, c Caller) *Install {
	i := &Install{stderr: noPipe}
	if m.IsIdentity() {
		return i
	}
	if err := m.Validate(); err != nil {
		i.fail(err)
		return i
	}
	st := h.status()
	kinds := []Kind{UID, GID}
	for _, k := range kinds { // helpers first: they run while we write
		if decide(k, m, c, st) == byHelper {
			i.launch(h, k, pid, k.of(m))
		}
	}
	i.stderr.closeWrite()
	for _, k := range kinds {
		switch decide(k, m, c, st) {
		case directDeny:
			i.fail(h.write(pid, "setgroups", []byte("deny")))
			fallthrough
		case direct:
			i.fail(h.write(pid, k.mapFile(), text(k.of(m))))
		}
	}
	return i
}

// Wait returns when both maps are written or cannot be, and every helper has
// been waited for. A helper's failure is a *HelperError; an errno of our own
// writes survives errors.Is. A signal ends the wait with an [*interrupt.Error]: then
// Kill must be called.
func (i *Install) Wait(s *interrupt.Signals) error {
	for n := range i.helpers {
		if err := i.helpers[n].ends(s); err != nil {
			return err
		}
		i.fail(i.helpers[n].wait())
	}
	said := i.stderr.drain()
	for n := range i.helpers {
		i.fail(i.helpers[n].verdict(said))
	}
	i.helpers = nil
	return errors.Join(i.errs...)
}

// Kill ends what has not ended, and waits for it.
func (i *Install) Kill() {
	for n := range i.helpers {
		i.helpers[n].kill()
	}
	_ = i.Wait(nil)
}

func (i *Install) fail(err error) {
	if err != nil {
		i.errs = append(i.errs, err)
	}
}

// launch finds and starts the helper of one kind.
func (i *Install) launch(h Host, k Kind, pid int, extents []Extent) {
	program, missing := h.find(k)
	if missing != nil {
		i.fail(fmt.Errorf("mapping %d %s ranges needs %s: %s", len(extents), k, k.helper(), missing.Evidence))
		return
	}
	if err := i.stderr.open(); err != nil {
		i.fail(fmt.Errorf("making a pipe for %s: %w", program.Path, err))
		return
	}
	started, err := startHelper(program, argv(k.helper(), pid, extents), i.stderr.w)
	if err != nil {
		i.fail(err)
		return
	}
	i.helpers = append(i.helpers, started)
}

// write puts a map in place: the kernel takes one write(2) for the whole of it,
// once.
func (h Host) write(pid int, name string, b []byte) error {
	path := h.proc(filepath.Join(strconv.Itoa(pid), name))
	fd, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	defer syscall.Close(fd)
	if n, err := syscall.Write(fd, b); err != nil {
		return fmt.Errorf("writing %q to %s: %w", b, path, err)
	} else if n != len(b) {
		return fmt.Errorf("writing %q to %s: only %d bytes were taken", b, path, n)
	}
	return nil
}
