package cgroup2

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// live is a group of this host's own cgroup v2, removed with all in it.
func live(t *testing.T) (Host, Group) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIP-PROBE root: the caller is not root")
	}
	h := Host{}
	if err := h.v2(); err != nil {
		t.Skip("SKIP-PROBE cgroup2: ", err)
	}
	own, err := h.own()
	if err != nil || !h.Group(own).writable() {
		t.Skip("SKIP-PROBE cgroup2: our group is not ours: ", own, err)
	}
	g := h.Group(path.Join(own, fmt.Sprintf("cgroup2test-%d-%s", os.Getpid(), strings.ToLower(t.Name()))))
	if err := os.Mkdir(g.Dir(), 0o755); err != nil {
		t.Skip("SKIP-PROBE cgroup2: ", err)
	}
	t.Cleanup(func() {
		_ = g.Kill()
		if err := g.Remove(); err != nil {
			t.Errorf("left behind: %v", err)
		}
	})
	return h, g
}

// run starts a shell in a group; it is waited for when the test ends.
func run(t *testing.T, dir int, script string) *exec.Cmd {
	t.Helper()
	c := exec.Command("sh", "-c", script)
	c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: dir}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return c
}

func in(t *testing.T, g Group) int {
	t.Helper()
	f, err := openDirectory(g)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return int(f.Fd())
}

func ended(t *testing.T, c *exec.Cmd) syscall.Signal {
	t.Helper()
	done := make(chan syscall.Signal)
	go func() {
		_ = c.Wait()
		done <- c.ProcessState.Sys().(syscall.WaitStatus).Signal()
	}()
	select {
	case sig := <-done:
		return sig
	case <-time.After(10 * time.Second):
		t.Fatal("it has not ended")
		return 0
	}
}

func TestLiveFreeze(t *testing.T) {
	_, g := live(t)
	if err := g.Freeze(time.Second); err != nil {
		t.Error("an empty group: ", err)
	}
	if err := g.Thaw(); err != nil {
		t.Error(err)
	}
	run(t, in(t, g), "while :; do :; done")
	used := func() uint64 {
		before, _ := g.table("cpu.stat")
		time.Sleep(100 * time.Millisecond)
		after, err := g.table("cpu.stat")
		if err != nil || after["usage_usec"] == 0 {
			t.Fatal(after, err)
		}
		return after["usage_usec"] - before["usage_usec"]
	}
	for range 3 {
		if err := g.Freeze(time.Second); err != nil {
			t.Fatal(err)
		}
		if is, err := g.Frozen(); !is || err != nil {
			t.Error(is, err)
		}
		if n := used(); n > 10_000 { // the kernel says that it is frozen a moment before the last process sleeps
			t.Errorf("frozen, and used %d us", n)
		}
		if err := g.Thaw(); err != nil {
			t.Fatal(err)
		}
		if is, err := g.Frozen(); is || err != nil {
			t.Error(is, err)
		}
		if used() == 0 {
			t.Error("thawed, and does nothing")
		}
	}
	// A frozen process can be killed.
	if err := g.Freeze(time.Second); err != nil {
		t.Fatal(err)
	}
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	if empty, err := g.wait("populated", false, 5*time.Second); !empty || err != nil {
		t.Error(empty, err)
	}
	g.Path += "/none"
	for _, err := range []error{g.Freeze(time.Second), g.Thaw()} {
		if !Gone(err) || !strings.Contains(err.Error(), g.Path) {
			t.Error(err)
		}
	}
}

// forkers are processes that are never there for long: each has a child and ends.
const forkers = `s='sh -c "$0" "$0" &'; for i in 1 2 3 4; do sh -c "$s" "$s" & done`

func TestLiveKill(t *testing.T) {
	_, parent := live(t)
	for _, bySignal := range []bool{false, true} {
		// A new one each time: see Request.Open.
		g := Group{parent.Mount, fmt.Sprintf("%s/%v", parent.Path, bySignal)}
		if err := os.Mkdir(g.Dir(), 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, in(t, g), forkers)
		time.Sleep(50 * time.Millisecond)
		if is, err := g.Populated(); !is || err != nil {
			t.Fatalf("by signals %v: they have ended by themselves: %v", bySignal, err)
		}
		kill := g.Kill
		if bySignal { // as before Linux 5.14
			kill = func() error { return withoutKill(t, g) }
		}
		if err := kill(); err != nil {
			t.Fatal(err)
		}
		if empty, err := g.wait("populated", false, 5*time.Second); !empty || err != nil {
			t.Errorf("by signals %v: they are still there, %v", bySignal, err)
		}
		time.Sleep(50 * time.Millisecond)
		if is, err := g.Populated(); is || err != nil {
			t.Errorf("by signals %v: they are there again, %v", bySignal, err)
		}
	}
	parent.Path += "/none"
	if err := parent.Kill(); err != nil {
		t.Error("a group that is gone: ", err)
	}
}

// TestLiveKilledBefore: a process gets into a group that was killed before, and
// lives there.
func TestLiveKilledBefore(t *testing.T) {
	h, g := live(t)
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	r, err := h.Plan(Want{ID: "x", Manager: Cgroupfs, Path: g.Path})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sleep", "100")
	dir, err := r.Open()
	if err != nil {
		t.Fatal(err)
	}
	if dir != nil {
		defer dir.Close()
		c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	if _, err := r.Admit(c.Process.Pid); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if pids, err := g.Procs(); err != nil || !slices.Equal(pids, []int{c.Process.Pid}) {
		t.Error("it is not there: ", pids, err)
	}
}

// withoutKill kills in a mount namespace where cgroup.kill cannot be written.
func withoutKill(t *testing.T, g Group) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		file := g.file("cgroup.kill")
		if err == nil {
			err = unix.Mount(file, file, "", unix.MS_BIND, "")
		}
		if err == nil {
			err = unix.Mount("", file, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
		}
		if err == nil && !errors.Is(g.put("cgroup.kill", "1"), unix.EROFS) {
			err = errors.New("cgroup.kill can be written")
		}
		if err == nil {
			err = g.Kill()
		}
		done <- err
	}()
	return <-done
}

func TestLiveSignal(t *testing.T) {
	_, g := live(t)
	const trap = `trap "exit 5" USR1; echo x; while :; do sleep 0.01; done`
	below := Group{g.Mount, g.Path + "/below"}
	if err := os.Mkdir(below.Dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	one, two := run(t, in(t, g), trap), run(t, in(t, below), trap)
	outside := exec.Command("sleep", "100")
	if err := outside.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = outside.Process.Kill(); _ = outside.Wait() })
	time.Sleep(200 * time.Millisecond)
	pids, err := g.Procs()
	if err != nil || !slices.Contains(pids, one.Process.Pid) || !slices.Contains(pids, two.Process.Pid) || slices.Contains(pids, outside.Process.Pid) {
		t.Fatal(pids, err)
	}
	if err := g.Signal(unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*exec.Cmd{one, two} {
		if ended(t, c); c.ProcessState.ExitCode() != 5 {
			t.Error(c.ProcessState)
		}
	}
	if is, err := g.Frozen(); is || err != nil {
		t.Error("left frozen: ", err)
	}
	if err := unix.Kill(outside.Process.Pid, 0); err != nil {
		t.Error("a process outside: ", err)
	}
}

// deep makes nested groups whose path no system call takes, and returns the
// innermost.
func deep(t *testing.T, g Group, levels int) int {
	t.Helper()
	fd, err := unix.Open(g.Dir(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range levels {
		name := strings.Repeat("d", 40) + strconv.Itoa(i)
		if err := unix.Mkdirat(fd, name, 0o755); err != nil {
			t.Fatalf("level %d: %v", i, err)
		}
		next, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		unix.Close(fd)
		if err != nil {
			t.Fatalf("level %d: %v", i, err)
		}
		fd = next
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func TestLiveTree(t *testing.T) {
	_, g := live(t)
	const siblings, levels = 2000, 1000
	for i := range siblings {
		if err := os.Mkdir(g.file(fmt.Sprintf("s%d", i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bottom := deep(t, g, levels)
	c := run(t, bottom, "sleep 100 & wait")
	time.Sleep(100 * time.Millisecond)
	if pids, err := g.Procs(); err != nil || len(pids) != 2 || pids[0] != c.Process.Pid {
		t.Errorf("%d: %v %v", c.Process.Pid, pids, err)
	}
	// A group with processes stays, with all below it.
	err := g.Remove()
	var populated *PopulatedError
	if !errors.As(err, &populated) || populated.Path != g.Path || len(populated.Pids) != 2 || !strings.Contains(err.Error(), strconv.Itoa(populated.Pids[0])) {
		t.Errorf("%#v", err)
	}
	if err := unix.Kill(c.Process.Pid, 0); err != nil {
		t.Error("killed: ", err)
	}
	if _, err := os.Stat(g.file("s0")); err != nil {
		t.Error(err)
	}
	if err := g.Freeze(5 * time.Second); err != nil {
		t.Error(err)
	}
	if err := g.Thaw(); err != nil {
		t.Error(err)
	}
	if err := g.Signal(unix.SIGTERM); err != nil {
		t.Error(err)
	}
	if sig := ended(t, c); sig != unix.SIGTERM {
		t.Error(sig)
	}
	begun := time.Now()
	if err := g.Remove(); err != nil {
		t.Fatal(err)
	}
	t.Logf("removed %d groups in %s", siblings+levels, time.Since(begun))
	if _, err := os.Stat(g.Dir()); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
	if err := g.Remove(); err != nil {
		t.Error("a second time: ", err)
	}
	if pids, err := g.Procs(); len(pids) > 0 || err != nil {
		t.Error(pids, err)
	}
	if is, err := g.Populated(); is || err != nil {
		t.Error(is, err)
	}
}

func TestLiveMakeDirectory(t *testing.T) {
	h, g := live(t)
	p := g.Path + "/a/b/c"
	m, err := h.makeDirectory(p, false)
	if err != nil || len(m) != 3 || m[0].Path != g.Path+"/a" || m[2].Path != p {
		t.Fatal(m, err)
	}
	again, err := h.makeDirectory(p, false)
	if err != nil || again != nil {
		t.Error("an empty one that is there: ", again, err)
	}
	again.undo()
	if !h.Group(p).exists() {
		t.Error("what others have made was removed")
	}
	var occupied *OccupiedError
	if m, err := h.makeDirectory(p, true); m != nil || !errors.As(err, &occupied) {
		t.Error("somebody's group by the name of ours: ", m, err)
	}
	h.Group(p).SetOwner("/run/sandbox/x")
	if _, err := h.makeDirectory(p, true); err != nil {
		t.Error("one of ours that is empty: ", err)
	}
	m.undo()
	if h.Group(g.Path+"/a").exists() || !g.exists() {
		t.Error("not undone, or too much")
	}

	r, err := h.Plan(Want{ID: "x", Manager: Cgroupfs, Path: p})
	if err != nil || !r.Moves() {
		t.Fatal(err)
	}
	dir, err := r.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	// Beside it, for a group that passes controllers on takes no process.
	other := h.Group(g.Path + "/other")
	if err := os.Mkdir(other.Dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	born, moved := run(t, int(dir.Fd()), "sleep 100"), run(t, in(t, other), "sleep 100")
	for _, c := range []*exec.Cmd{born, moved} {
		place, err := r.Admit(c.Process.Pid)
		if now, _ := h.groupOf(strconv.Itoa(c.Process.Pid)); err != nil || place != (Placement{Path: p, Owned: true}) || now != p {
			t.Error(place, now, err)
		}
	}
	if m, err := h.makeDirectory(p, false); m != nil || err == nil || !strings.Contains(err.Error(), "has processes already") {
		t.Error("one with processes: ", m, err)
	}
	r.Undo()
	if !h.Group(p).exists() {
		t.Error("removed with processes in it")
	}
	if err := other.Freeze(time.Second); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{other.Path, other.Path + "/below"} {
		m, err := h.makeDirectory(p, false)
		if m != nil || err == nil || !strings.Contains(err.Error(), "is frozen") {
			t.Error("a frozen one: ", p, m, err)
		}
	}
	if h.Group(other.Path + "/below").exists() {
		t.Error("left behind below a frozen one")
	}
	if m, err := h.makeDirectory(g.Path+"/cgroup.procs/x", false); m != nil || err == nil {
		t.Error("below a file: ", m, err)
	}
}
