package cgroup2

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

const unitExists = "org.freedesktop.systemd1.UnitExists"

// scopeHost is a host whose systemd answers like this; process 42 is where it has
// been put.
func scopeHost(t *testing.T, answer func(*call)) (Host, *fakeSystemd) {
	f := startSystemd(t, "systemd/private", answer)
	h := fakeHost(t, nil)
	h.RuntimeDir = filepath.Dir(filepath.Dir(f.path))
	h.Patience = 5 * time.Second
	return h, f
}

// inScope puts process 42 into a unit.
func (h Host) inScope(t testing.TB, dir string) {
	put(t, filepath.Join(h.Proc, "42/cgroup"), "0::/user.slice/"+dir+"\n", false)
}

func ask(t *testing.T, h Host, w Want) (Placement, error) {
	t.Helper()
	r, err := h.Plan(w)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Moves() || r.scope == nil {
		t.Fatalf("no scope: %v", r.Why())
	}
	if dir, err := r.Open(); dir != nil || err != nil {
		t.Fatal(dir, err)
	}
	defer r.Done()
	return r.Admit(42)
}

func TestScope(t *testing.T) {
	for _, c := range []struct{ id, path, unit, dir string }{
		{"web", "", "sandbox-web.scope", "sandbox-web.scope"},
		{"a+b", "", `sandbox-a\x2bb.scope`, `sandbox-a\x2bb.scope`},
		// Which systemd escapes, for a group has files of that name.
		{"x", "::memory", "memory.scope", "_memory.scope"},
		{"x", "::_y", "_y.scope", "__y.scope"},
	} {
		var got string
		h, f := scopeHost(t, func(k *call) {
			if k.method == "ResetFailedUnit" {
				k.reply()
				return
			}
			got = fmt.Sprint(k.body...)
			k.started("done")
		})
		h.inScope(t, c.dir)
		p, err := ask(t, h, Want{ID: c.id, Path: c.path, Writes: []Write{{File: "pids.max", Value: "32"}}, Annotations: map[string]string{PropertyPrefix + "KillMode": "'mixed'"}})
		if err != nil || p != (Placement{Path: "/user.slice/" + c.dir, Owned: true, Unit: c.unit, Bus: f.path, Kept: true}) {
			t.Errorf("%s: %+v, %v", c.id, p, err)
		}
		for _, want := range []string{c.unit, "fail", "sandbox container " + c.id, "Slice", "user.slice", "Delegate", "TasksMax", "32", "KillMode", "mixed", "PIDs", "42"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in %s", c.id, want, got)
			}
		}
		if seen := strings.TrimPrefix(f.seen(), "Get "+manager+", "); seen != "StartTransientUnit "+c.unit {
			t.Errorf("calls: %s", f.seen())
		}
		// With properties of its own it stays when it has failed, until it is removed.
		if err := p.Remove(h); err != nil || strings.Contains(got, "CollectMode") || !strings.HasSuffix(f.seen(), "ResetFailedUnit "+c.unit) {
			t.Errorf("%v, %s, %s", err, f.seen(), got)
		}
	}
}

// TestScopeFrozen: systemd would take a directory that is frozen, and the container stop in it.
func TestScopeFrozen(t *testing.T) {
	for _, c := range []struct{ dir, events, want string }{
		{"/top/a.slice/a-b.slice/c-d.scope", "populated 0\nfrozen 1\n", "container's cgroup unexpectedly frozen: cgroup /top/a.slice/a-b.slice/c-d.scope is frozen"},
		{"/top/a.slice/a-b.slice", "frozen 1\n", "cgroup /top/a.slice/a-b.slice is frozen"},
		{"/top/a.slice/a-b.slice/c-d.scope", "populated 0\nfrozen 0\n", ""},
	} {
		h, f := scopeHost(t, func(k *call) {
			if k.method == "Get" {
				k.reply(dbus.MakeVariant("/top"))
				return
			}
			k.started("done")
		})
		put(t, filepath.Join(h.Mount, c.dir, "cgroup.events"), c.events, false)
		h.inScope(t, "c-d.scope")
		_, err := ask(t, h, Want{ID: "x", Path: "a-b.slice:c:d"})
		var occupied *OccupiedError
		if c.want == "" {
			if err != nil || !strings.Contains(f.seen(), "StartTransientUnit") {
				t.Error(err, f.seen())
			}
			continue
		}
		if !errors.As(err, &occupied) || !strings.Contains(err.Error(), c.want) || strings.Contains(f.seen(), "StartTransientUnit") {
			t.Errorf("%s: %v, %s", c.dir, err, f.seen())
		}
	}
	for slice, want := range map[string]string{"a.slice": "a.slice", "a-b-c.slice": "a.slice/a-b.slice/a-b-c.slice", "-.slice": ""} {
		if got := sliceDir(slice); got != want {
			t.Errorf("%s: %s", slice, got)
		}
	}
}

func TestScopeRefused(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*call)
		want   []string
	}{
		"error":     {func(k *call) { k.refuse("org.freedesktop.DBus.Error.AccessDenied", "Not for you") }, []string{"start sandbox-web.scope in user.slice", "Not for you"}},
		"failed":    {func(k *call) { k.started("failed") }, []string{"sandbox-web.scope", `systemd's job ended with "failed"`}},
		"dropped":   {func(k *call) { k.conn.Close() }, []string{"sandbox-web.scope"}},
		"late drop": {func(k *call) { k.reply("/wrong/type"); k.conn.Close() }, []string{"sandbox-web.scope"}},
		"elsewhere": {func(k *call) { k.started("done") }, []string{"systemd has started sandbox-web.scope", "/user.slice/other.scope"}},
	} {
		h, _ := scopeHost(t, c.answer)
		h.Patience = 2 * time.Second
		h.inScope(t, "other.scope")
		begun := time.Now()
		p, err := ask(t, h, Want{ID: "web"})
		if err == nil || p != (Placement{}) {
			t.Errorf("%s: %+v, %v", name, p, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("%s: took %s", name, took)
		}
		if errors.Is(err, ErrLate) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestScopeLate(t *testing.T) {
	h, _ := scopeHost(t, func(k *call) { time.Sleep(300 * time.Millisecond); k.started("done") })
	h.inScope(t, "sandbox-web.scope")
	if _, err := ask(t, h, Want{ID: "web"}); err != nil {
		t.Error(err)
	}
}

// TestScopeNever: whoever waits is told what for, whatever systemd leaves out.
func TestScopeNever(t *testing.T) {
	silent, path := listen(t, "systemd/private")
	t.Cleanup(func() { silent.Close() })
	for name, c := range map[string]struct {
		answer func(*call)
		want   string
	}{
		"no authentication": {nil, "systemd has not answered in time, within 1s"},
		"garbage":           {func(k *call) { _, _ = k.conn.Write([]byte(strings.Repeat("garbage", 100))) }, "StartTransientUnit: systemd has not answered in time"},
		"no reply":          {func(*call) {}, "StartTransientUnit: systemd has not answered in time"},
		"no end of the job": {func(k *call) { k.reply(dbus.ObjectPath("/job/7")) }, "its job is not done: systemd has not answered in time"},
	} {
		for range 2 { // which of two clocks is first is chance
			var h Host
			if c.answer == nil {
				h = fakeHost(t, nil)
				h.RuntimeDir = filepath.Dir(filepath.Dir(path))
			} else {
				h, _ = scopeHost(t, c.answer)
			}
			h.Patience = time.Second
			begun := time.Now()
			_, err := ask(t, h, Want{ID: "web"})
			if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, ErrLate) {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
			if took := time.Since(begun); took < 800*time.Millisecond || took > 10*time.Second {
				t.Errorf("%s: took %s", name, took)
			}
		}
	}
}

// TestScopeOlder: a limit that an older systemd does not know is written without it, and it hears of the others.
func TestScopeOlder(t *testing.T) {
	for _, name := range []string{"PropertyReadOnly", "InvalidArgs"} {
		asked, taken := 0, ""
		h, _ := scopeHost(t, func(k *call) {
			asked++
			if taken = fmt.Sprint(k.body...); strings.Contains(taken, "CPUWeight") {
				k.refuse("org.freedesktop.DBus.Error."+name, "Cannot set property CPUWeight, or unknown property.")
				return
			}
			k.started("done")
		})
		h.inScope(t, "sandbox-web.scope")
		p, err := ask(t, h, Want{ID: "web", Writes: []Write{{File: "pids.max", Value: "5"}, {File: "cpu.idle", Value: "1"}}})
		if err != nil || p.Path == "" || asked != 2 || !strings.Contains(taken, "TasksMax") {
			t.Errorf("%s: %+v, %v, asked %d times, at last %s", name, p, err, asked, taken)
		}
		asked = 0
		if _, err := ask(t, h, Want{ID: "web", Annotations: map[string]string{PropertyPrefix + "CPUWeight": "uint64 0"}}); err == nil || asked != 1 {
			t.Errorf("%s: what somebody asked for by name was left out: %v, asked %d times", name, err, asked)
		}
	}
}

// TestScopeTaken: a name is taken by what is left of an earlier one.
func TestScopeTaken(t *testing.T) {
	taken := func(times int) func(*call) {
		return func(k *call) {
			switch {
			case k.method == "ResetFailedUnit":
				k.reply()
			case times > 0:
				times--
				k.refuse(unitExists, "Unit exists.")
			default:
				k.started("done")
			}
		}
	}
	h, f := scopeHost(t, taken(1))
	h.inScope(t, "sandbox-web.scope")
	if p, err := ask(t, h, Want{ID: "web"}); err != nil || p.Unit != "sandbox-web.scope" {
		t.Errorf("%+v %v", p, err)
	}
	if want := "StartTransientUnit sandbox-web.scope, ResetFailedUnit sandbox-web.scope, StartTransientUnit sandbox-web.scope"; f.seen() != want {
		t.Errorf("calls: %s", f.seen())
	}
	// A living one has the name: ours is free to be another.
	h, _ = scopeHost(t, taken(2))
	h.inScope(t, "sandbox-web-2.scope")
	if p, err := ask(t, h, Want{ID: "web"}); err != nil || p.Unit != "sandbox-web-2.scope" {
		t.Errorf("%+v %v", p, err)
	}
	h, _ = scopeHost(t, taken(1000))
	if _, err := ask(t, h, Want{ID: "web"}); !errors.Is(err, ErrUnitTaken) {
		t.Error(err)
	}
	// One that was asked for is not.
	h, f = scopeHost(t, taken(1000))
	_, err := ask(t, h, Want{ID: "web", Path: "a.slice:b:c"})
	if err == nil || !strings.Contains(err.Error(), "systemctl --user status b-c.scope") {
		t.Error(err)
	}
	if strings.Contains(strings.ReplaceAll(f.seen(), "b-c.scope", ""), ".scope") {
		t.Errorf("another name was tried: %s", f.seen())
	}
}

// TestPlanSystemd: systemd that was named and is not there is an error.
func TestPlanSystemd(t *testing.T) {
	h := fakeHost(t, map[string]string{"proc/self/cgroup": "0::/a/b\n"})
	// Such a place, too: the caller's group is no substitute.
	for _, w := range []Want{{ID: "x", Manager: Systemd}, {ID: "x", Manager: "runit"}, {ID: "x", Manager: Cgroupfs}, {ID: "x", Path: "a.slice:b:c"}, {ID: "x", Path: "/somewhere"}, {ID: "x", Parent: "/p"}} {
		if _, err := h.Plan(w); err == nil {
			t.Errorf("%+v: no error", w)
		}
	}
	for _, c := range []struct {
		w   Want
		why error
	}{{Want{ID: "x"}, ErrNotOurs}, {Want{ID: "x", Manager: Disabled}, ErrDisabled}} {
		r, err := h.Plan(c.w)
		if err != nil || r.Moves() || !errors.Is(r.Why(), c.why) {
			t.Errorf("%+v: %v", c.w, err)
			continue
		}
		if dir, err := r.Open(); dir != nil || err != nil {
			t.Error(dir, err)
		}
		if p, err := r.Admit(42); p != (Placement{}) || err != nil {
			t.Error(p, err)
		}
		r.Undo()
	}
}

// nobody calls f as somebody who may not write to what root owns.
func nobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if _, err := unix.SetfsuidRetUid(65534); err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = unix.SetfsuidRetUid(0) }()
	}
	f()
}

// TestJoin: where the kernel forbids the plain write, systemd is asked.
func TestJoin(t *testing.T) {
	if os.Getuid() == 0 {
		t.Setenv("TMPDIR", "/tmp") // root's own may be closed to the user whom this becomes
	}
	h, f := scopeHost(t, func(k *call) {
		if got := fmt.Sprintf("%v", k.body); got != "[b.scope /below [42]]" {
			t.Errorf("asked for %s", got)
		}
		k.reply()
	})
	p := Placement{Path: "/b.scope", Unit: "b.scope", Bus: f.path}
	put(t, filepath.Join(h.Mount, "b.scope/below/cgroup.procs"), "", false)
	if err := p.Join(h, "/b.scope/below", 42); err != nil || f.seen() != "" {
		t.Errorf("the plain write: %v, %s", err, f.seen())
	}
	if b, _ := os.ReadFile(filepath.Join(h.Mount, "b.scope/below/cgroup.procs")); string(b) != "42" {
		t.Errorf("written: %q", b)
	}
	if err := p.Join(h, "/b.scope/none", 42); !errors.Is(err, unix.ENOENT) || f.seen() != "" {
		t.Errorf("a group that is not there: %v, %s", err, f.seen())
	}
	if err := os.Chmod(filepath.Join(h.Mount, "b.scope/below/cgroup.procs"), 0o444); err != nil {
		t.Fatal(err)
	}
	join := func() (err error) {
		nobody(t, func() { err = p.Join(h, "/b.scope/below", 42) })
		return err
	}
	if err := join(); err != nil || f.seen() != "AttachProcessesToUnit b.scope" {
		t.Errorf("%v, %s", err, f.seen())
	}
	p.Bus = "/nowhere/private"
	if err := join(); !errors.Is(err, unix.EACCES) || !strings.Contains(err.Error(), "connect to systemd") {
		t.Error(err)
	}
	p.Unit = ""
	if err := join(); !errors.Is(err, unix.EACCES) || strings.Contains(err.Error(), "systemd") {
		t.Error(err)
	}
}

func TestUpdate(t *testing.T) {
	h, f := scopeHost(t, func(k *call) {
		if k.body[0] == "bad.scope" {
			k.refuse("org.freedesktop.systemd1.NoSuchUnit", "Unit bad.scope not loaded.")
			return
		}
		k.reply()
	})
	writes := []Write{{File: "pids.max", Value: "3"}}
	if err := (Placement{Unit: "a.scope", Bus: f.path}).Update(h, writes); err != nil || f.seen() != "SetUnitProperties a.scope, GetUnit a.scope" {
		t.Error(err, f.seen())
	}
	if err := (Placement{Unit: "bad.scope", Bus: f.path}).Update(h, writes); err == nil || !strings.Contains(err.Error(), "bad.scope not loaded") {
		t.Error(err)
	}
	for _, p := range []Placement{{}, {Unit: "a.scope", Bus: "/nowhere"}} {
		if err := p.Update(h, nil); err != nil {
			t.Error(err)
		}
	}
}
