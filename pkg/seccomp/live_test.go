package seccomp_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
	"sandbox/pkg/seccomp"
	"sandbox/pkg/userns"
)

// under runs steps in a child under the filter and returns its end. A filter
// cannot be taken off again, so each needs a process of its own; a plan is one.
func under(t *testing.T, s *specs.LinuxSeccomp, steps func(p *plan.Plan), take func(*os.File) error) unix.WaitStatus {
	t.Helper()
	if err := os.WriteFile("/proc/self/comm", []byte("seccomp-test"), 0); err != nil {
		t.Skip("no /proc")
	}
	f, err := seccomp.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	p := plan.New()
	p.Prctl(unix.PR_SET_NO_NEW_PRIVS, plan.C(1))
	p.Note(plan.NoteExec) // from here on the end of the child is no surprise
	load := f.Load(p)
	if f.Notify != "" {
		userns.HandOver(p, f.Notify, plan.Parent(), load.To("listener"))
	}
	steps(p)
	c, err := userns.Spawn(userns.Request{Plan: p, File: func(_ *userns.Child, f *os.File) error { return take(f) }})
	if err != nil {
		t.Fatal(err)
	}
	end, err := c.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// expect appends a call that must end with errno, 0 for success; exit status 1
// if it does not.
func expect(p *plan.Plan, step *plan.Step, errno unix.Errno) {
	bad, good := p.Label("bad"), p.Label("good")
	if errno == 0 {
		step.On(plan.AnyErrno, bad)
	} else {
		step.On(errno, good).On(plan.AnyErrno, bad)
		p.Goto(bad)
	}
	p.Goto(good)
	p.Here(bad)
	p.Exit(1)
	p.Here(good)
}

func number(n uint) *uint { return &n }

func TestKernel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	mkdir := []string{"mkdir", "mkdirat"}
	for _, tt := range []struct {
		name  string
		s     specs.LinuxSeccomp
		steps func(p *plan.Plan)
		want  unix.WaitStatus
	}{
		{"errno", specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: mkdir, Action: specs.ActErrno, ErrnoRet: number(77)}}},
			func(p *plan.Plan) { expect(p, p.Mkdirat(plan.Cwd(), dir, 0o755), 77) }, 0},
		{"log", specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagSpecAllow},
			Syscalls: []specs.LinuxSyscall{{Names: []string{"getpid"}, Action: specs.ActLog}}},
			func(p *plan.Plan) { expect(p, p.Do("getpid", unix.SYS_GETPID), 0) }, 0},
		{"kill", specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: mkdir, Action: specs.ActKillProcess}}},
			func(p *plan.Plan) { p.Mkdirat(plan.Cwd(), dir, 0o755) }, unix.WaitStatus(unix.SIGSYS) | 0x80},
		{"args", specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"kill"}, Action: specs.ActErrno,
			Args: []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpGreaterEqual, Value: 1}}}}},
			func(p *plan.Plan) {
				expect(p, p.Do("kill", unix.SYS_KILL, plan.C(0), plan.C(0)), 0)
				expect(p, p.Do("kill", unix.SYS_KILL, plan.C(0), plan.C(15)), unix.EPERM)
			}, 0},
		{"newer", specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: number(77), Syscalls: []specs.LinuxSyscall{{Names: []string{"exit_group", "openat2"}, Action: specs.ActAllow}}},
			func(p *plan.Plan) {
				expect(p, p.Do("getpid", unix.SYS_GETPID), 77)
				expect(p, p.Do("pidfd_getfd", unix.SYS_PIDFD_GETFD), unix.ENOSYS)
				expect(p, p.Do("nothing", 4000), unix.ENOSYS)
			}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			end := under(t, &tt.s, func(p *plan.Plan) { tt.steps(p); p.Exit(0) }, nil)
			if end&^0x80 != tt.want&^0x80 {
				t.Errorf("ended with %#x, want %#x", end, tt.want)
			}
		})
	}
}

// TestNotify answers one call in place of the kernel.
func TestNotify(t *testing.T) {
	s := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerPath: "/not/used/here", Syscalls: []specs.LinuxSyscall{
		{Names: []string{"mkdir", "mkdirat", "sendmsg"}, Action: specs.ActNotify}}}
	end := under(t, s, func(p *plan.Plan) {
		expect(p, p.Mkdirat(plan.Cwd(), "/x", 0o755), 99)
		p.Exit(0)
	}, func(f *os.File) error {
		go answer(f, 99)
		return nil
	})
	if end != 0 {
		t.Errorf("ended with %#x", end)
	}
}

// answer lets one call fail with errno.
func answer(f *os.File, errno unix.Errno) {
	defer f.Close()
	ask, reply := make([]byte, 80), make([]byte, 24) // struct seccomp_notif, seccomp_notif_resp
	ioctl := func(request uint, b []byte) unix.Errno {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), uintptr(request), reflect.ValueOf(&b[0]).Pointer())
		runtime.KeepAlive(b)
		return e
	}
	if ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, ask) != 0 {
		return
	}
	copy(reply, ask[:8]) // id
	binary.NativeEndian.PutUint32(reply[16:], uint32(-int32(errno)))
	ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, reply)
}
