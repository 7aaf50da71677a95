package idmap

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/interrupt"
)

// A child in a new user namespace is this test binary, held until its standard
// input is closed.
const heldChild = "IDMAP_TEST_HELD_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(heldChild) != "" {
		os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestDecide(t *testing.T) {
	none, all := status{}, status{effective: ^uint64(0)}
	single, wide := Single(0, 0, alice), Subordinate(alice, []Range{{5, 5}}, []Range{{5, 5}})
	for name, tt := range map[string]struct {
		m        Map
		st       status
		uid, gid way
	}{
		"identity":            {Map{}, none, nobody, nobody},
		"identity, capable":   {Map{}, all, nobody, nobody},
		"single":              {single, none, direct, directDeny},
		"single, capable":     {single, all, direct, direct},
		"single, SETUID only": {single, status{effective: 1 << unix.CAP_SETUID}, direct, directDeny},
		"single, SETGID only": {single, status{effective: 1 << unix.CAP_SETGID}, direct, direct},
		"wide":                {wide, none, byHelper, byHelper},
		"wide, capable":       {wide, all, direct, direct},
		"wide, SETUID only":   {wide, status{effective: 1 << unix.CAP_SETUID}, direct, byHelper},
		"one of each":         {Map{single.UIDs, wide.GIDs}, none, direct, byHelper},
		"somebody else's id":  {Map{[]Extent{{0, 1001, 1}}, []Extent{{0, 1000, 1}}}, none, byHelper, byHelper},
		"two ids from ours":   {Map{[]Extent{{0, 1000, 2}}, single.GIDs}, none, byHelper, directDeny},
	} {
		if got := decide(UID, tt.m, alice, tt.st); got != tt.uid {
			t.Errorf("%s: uid %d, want %d", name, got, tt.uid)
		}
		if got := decide(GID, tt.m, alice, tt.st); got != tt.gid {
			t.Errorf("%s: gid %d, want %d", name, got, tt.gid)
		}
	}
}

// withChild adds the files of process 42 to a fake host.
func withChild(t *testing.T, files map[string]string) Host {
	t.Helper()
	all := map[string]string{"proc/42/uid_map": "-", "proc/42/gid_map": "-", "proc/42/setgroups": "-"}
	for k, v := range files {
		all[k] = v
	}
	return fakeHost(t, all)
}

func written(t *testing.T, h Host, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(h.Proc, "42", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDirectWrites(t *testing.T) {
	wide := Subordinate(alice, []Range{{100000, 65536}}, []Range{{200000, 65536}})
	for name, tt := range map[string]struct {
		m                     Map
		status                string
		uids, gids, setgroups string
	}{
		"identity":        {Map{}, statusOf("0", allCaps, allCaps), "-", "-", "-"},
		"single":          {Single(0, 5, alice), statusOf("0", noCaps, allCaps), "0 1000 1\n", "5 1001 1\n", "deny"},
		"single, capable": {Single(0, 5, alice), statusOf("0", allCaps, allCaps), "0 1000 1\n", "5 1001 1\n", "-"},
		"wide, capable":   {wide, statusOf("0", allCaps, allCaps), "0 1000 1\n1 100000 65536\n", "0 1001 1\n1 200000 65536\n", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			h := withChild(t, map[string]string{"proc/self/status": tt.status})
			if err := h.Start(42, tt.m, alice).Wait(nil); err != nil {
				t.Fatal(err)
			}
			for file, want := range map[string]string{"uid_map": tt.uids, "gid_map": tt.gids, "setgroups": tt.setgroups} {
				if got := written(t, h, file); got != want {
					t.Errorf("%s is %q, want %q", file, got, want)
				}
			}
		})
	}
}

func TestWriteFailureKeepsTheErrno(t *testing.T) {
	h := fakeHost(t, nil)
	err := h.Start(42, Single(0, 0, alice), alice).Wait(nil)
	if !errors.Is(err, syscall.ENOENT) || !strings.Contains(err.Error(), h.Proc+"/42/uid_map") {
		t.Errorf("got %v", err)
	}
	if err := h.Start(42, Map{UIDs: []Extent{{0, 1, 0}}}, alice).Wait(nil); err == nil || !strings.Contains(err.Error(), "size 0") {
		t.Errorf("got %v", err)
	}
}

const recorder = `#!/bin/sh
echo "$@" LC_ALL=$LC_ALL > "${0%/*}/called-${0##*/}"
`

func TestHelpersAreCalled(t *testing.T) {
	h := withChild(t, map[string]string{"bin/newuidmap": recorder, "bin/newgidmap": recorder})
	m := Subordinate(alice, []Range{{100000, 10}, {300000, 5}}, []Range{{200000, 65536}})
	if err := h.Start(42, m, alice).Wait(nil); err != nil {
		t.Fatal(err)
	}
	for helper, want := range map[string]string{
		"newuidmap": "42 0 1000 1 1 100000 10 11 300000 5 LC_ALL=C\n",
		"newgidmap": "42 0 1001 1 1 200000 65536 LC_ALL=C\n",
	} {
		got, err := os.ReadFile(filepath.Join(h.Dirs[0], "called-"+helper))
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", helper, got, err, want)
		}
	}
	for _, file := range []string{"uid_map", "gid_map", "setgroups"} {
		if got := written(t, h, file); got != "-" {
			t.Errorf("%s was written: %q", file, got)
		}
	}
}

// Each helper waits for the other: this ends only when they run at once.
func TestHelpersRunTogether(t *testing.T) {
	const meet = `#!/bin/sh
: > "${0%/*}/here-${0##*/}"
while ! [ -e "${0%/*}/here-newuidmap" ] || ! [ -e "${0%/*}/here-newgidmap" ]; do sleep 0.01; done
`
	h := withChild(t, map[string]string{"bin/newuidmap": meet, "bin/newgidmap": meet})
	if err := h.Start(42, Subordinate(alice, []Range{{5, 5}}, []Range{{5, 5}}), alice).Wait(nil); err != nil {
		t.Error(err)
	}
}

func TestOnlyOneHelper(t *testing.T) {
	h := withChild(t, map[string]string{"bin/newgidmap": recorder, "bin/newuidmap": ""})
	m := Map{Single(0, 0, alice).UIDs, []Extent{{0, 200000, 10}}}
	if err := h.Start(42, m, alice).Wait(nil); err != nil {
		t.Fatal(err)
	}
	if got := written(t, h, "uid_map"); got != "0 1000 1\n" {
		t.Errorf("uid_map is %q", got)
	}
	if got := written(t, h, "setgroups"); got != "-" {
		t.Errorf("setgroups is %q, and that is newgidmap's to say", got)
	}
}

func TestHelpersFail(t *testing.T) {
	fails := func(name, more string) string {
		return "#!/bin/sh\necho '" + name + ": range [1-2) not allowed' >&2\n" + more
	}
	m := Subordinate(alice, []Range{{5, 5}}, []Range{{5, 5}})
	for name, tt := range map[string]struct {
		uid, gid string
		want     []string
		not      string
	}{
		"one fails":  {fails("newuidmap", "exit 3"), recorder, []string{"/bin/newuidmap: range [1-2) not allowed (exit status 3)"}, "newgidmap"},
		"both fail":  {fails("newuidmap", "exit 1"), fails("newgidmap", "exit 2"), []string{"/bin/newuidmap: range [1-2) not allowed (exit status 1)", "/bin/newgidmap: range [1-2) not allowed (exit status 2)"}, "newuidmap: newgidmap"},
		"killed":     {"#!/bin/sh\nkill -9 $$\n", recorder, []string{"/bin/newuidmap: killed by killed"}, "newgidmap"},
		"silent":     {recorder, "#!/bin/sh\nexit 1\n", []string{"/bin/newgidmap: exit status 1"}, "newuidmap"},
		"escapes":    {"#!/bin/sh\nprintf 'a\\033[2Jb\\n' >&2; exit 1\n", recorder, []string{`newuidmap: a\x1b[2Jb (exit status 1)`}, "\x1b"},
		"much":       {"#!/bin/sh\nyes 2>/dev/null | head -c 1000000 >&2; exit 1\n", recorder, []string{"newuidmap: y; y;"}, "newgidmap"},
		"no program": {"#!/does/not/exist\n", recorder, []string{"starting ", "no such file"}, "newgidmap"},
		"missing":    {"", recorder, []string{"mapping 2 uid ranges needs newuidmap: newuidmap is in none of "}, "newgidmap"},
		"leaves a process behind with the pipe open": {"#!/bin/sh\nsleep 100 & echo $! > \"${0%/*}/left\"; exit 1\n", recorder, []string{"exit status 1"}, "newgidmap"},
	} {
		t.Run(name, func(t *testing.T) {
			h := withChild(t, map[string]string{"bin/newuidmap": tt.uid, "bin/newgidmap": tt.gid})
			i := h.Start(42, m, alice)
			pids := i.helpers
			err := i.Wait(nil)
			killLeft(h)
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("got %v, want %q", err, w)
				}
			}
			if strings.Contains(err.Error(), tt.not) {
				t.Errorf("got %v, with %q", err, tt.not)
			}
			for _, p := range pids {
				if _, err := syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
					t.Errorf("%s was not reaped: %v", p.path, err)
				}
			}
		})
	}
}

func killLeft(h Host) {
	b, err := os.ReadFile(filepath.Join(h.Dirs[0], "left"))
	if pid, e := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && e == nil {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

func TestHelperErrorIsTyped(t *testing.T) {
	h := withChild(t, map[string]string{"bin/newuidmap": "#!/bin/sh\nexit 7\n"})
	err := h.Start(42, Subordinate(alice, []Range{{5, 5}}, []Range{{5, 5}}), alice).Wait(nil)
	var helperError *HelperError
	if !errors.As(err, &helperError) || helperError.Status.ExitStatus() != 7 {
		t.Errorf("got %#v", err)
	}
}

func TestNoDescriptorIsLeft(t *testing.T) {
	h := withChild(t, map[string]string{"bin/newuidmap": "#!/bin/sh\nexit 7\n", "bin/newgidmap": "#!/does/not/exist\n"})
	before := descriptors(t)
	for range 5 {
		h.Start(42, Subordinate(alice, []Range{{5, 5}}, []Range{{5, 5}}), alice).Wait(nil)
		h.Start(42, Single(0, 0, alice), alice).Wait(nil)
	}
	if after := descriptors(t); !reflect.DeepEqual(before, after) {
		t.Errorf("%v became %v", before, after)
	}
}

func descriptors(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// needUserNamespaces skips where the kernel or something around us forbids them,
// and only for that: the error of the clone itself is the probe.
func needUserNamespaces(t *testing.T) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), heldChild+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	err := cmd.Run() // its input is /dev/null: it ends at once
	for _, refusal := range []error{syscall.EPERM, syscall.ENOSPC, syscall.EUSERS, syscall.EINVAL, syscall.EACCES} {
		if errors.Is(err, refusal) {
			t.Skipf("no user namespaces here: %v", err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// hold starts a child in a new user namespace without a map.
func hold(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), heldChild+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Wait() })
	return cmd.Process.Pid
}

func TestInstallSingleForReal(t *testing.T) {
	needUserNamespaces(t)
	var h Host
	c := Caller{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	if c.UID == 0 && !h.status().holds(unix.CAP_SETFCAP) {
		t.Skip("root without CAP_SETFCAP cannot map itself")
	}
	pid := hold(t)
	m := Single(77, 78, c)
	if err := h.Start(pid, m, c).Wait(nil); err != nil {
		t.Fatal(err)
	}
	if got, err := h.MapOf(pid); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("the map is %v, %v, want %v", got, err, m)
	}
	want := "deny\n"
	if h.status().holds(unix.CAP_SETGID) {
		want = setgroups(t, "self") // inherited, not changed
	}
	if got := setgroups(t, strconv.Itoa(pid)); got != want {
		t.Errorf("setgroups is %q, want %q", got, want)
	}
	if err := h.Start(pid, m, c).Wait(nil); !errors.Is(err, syscall.EPERM) {
		t.Errorf("a map was written twice: %v", err)
	}
}

func setgroups(t *testing.T, pid string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/" + pid + "/setgroups")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestInstallManyForReal(t *testing.T) {
	needUserNamespaces(t)
	var h Host
	st := h.status()
	if !st.mapsAll() || !st.holds(unix.CAP_SETFCAP) {
		t.Skip("writing any map needs CAP_SETUID, CAP_SETGID and CAP_SETFCAP")
	}
	self, err := h.MapOf(0)
	if err != nil {
		t.Fatal(err)
	}
	pid := hold(t)
	m := everything(self)
	if err := h.Start(pid, m, Caller{}).Wait(nil); err != nil {
		t.Fatal(err)
	}
	if got, err := h.MapOf(pid); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("the map is %v, %v, want %v", got, err, m)
	}
}

func BenchmarkChoose(b *testing.B) {
	var h Host
	c := Caller{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), Name: os.Getenv("USER")}
	for b.Loop() {
		if _, _, err := h.Choose(Want{}, c); err != nil {
			b.Fatal(err)
		}
	}
}

// TestHelperInterrupted: a helper that asks a directory service which does not answer keeps nobody for ever.
func TestHelperInterrupted(t *testing.T) {
	s, err := interrupt.Catch()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	time.Sleep(50 * time.Millisecond) // signals are asked for beside us
	h := withChild(t, map[string]string{"bin/newuidmap": "#!/bin/sh\nexec sleep 1000\n", "bin/newgidmap": recorder})
	i := h.Start(42, Subordinate(alice, []Range{{5, 5}}, []Range{{5, 5}}), alice)
	time.AfterFunc(50*time.Millisecond, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGTERM) })
	var got *interrupt.Error
	if err := i.Wait(s); !errors.As(err, &got) {
		t.Fatalf("got %v", err)
	}
	i.Kill()
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("a helper is left: %d, %v", pid, err)
	}
}
