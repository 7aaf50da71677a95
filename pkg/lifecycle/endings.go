package lifecycle

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// endings are the signals that end a process which waits to be started, as they end any other: sent to the first process of
// a pid namespace the kernel drops them (pid_namespaces(7)), unless they are blocked. nil is another process.
type endings struct {
	before *plan.Mem // the signals that are blocked for the payload
	asked  plan.Reg  // a signalfd, readable when one has come
}

// heed appends that they are heeded from now on.
func heed(p *plan.Plan) *endings {
	var set uint64
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM} {
		set |= 1 << (sig - 1)
	}
	list, e := plan.Longs(set), &endings{before: plan.Longs(0)}
	p.Do("rt_sigprocmask", unix.SYS_RT_SIGPROCMASK, plan.C(unix.SIG_BLOCK), plan.M(list), plan.M(e.before), plan.C(8))
	e.asked = p.Do("signalfd4", unix.SYS_SIGNALFD4, plan.C(-1), plan.M(list), plan.C(8), plan.C(unix.SFD_CLOEXEC|unix.SFD_NONBLOCK)).To("asked to end")
	return e
}

// wait appends a wait until fd can be read, or one of them comes and ends the process. again is where it begins.
func (e *endings) wait(p *plan.Plan, again plan.Label, fd int) {
	if e == nil {
		return
	}
	poll := make([]byte, 2*8) // struct pollfd
	binary.NativeEndian.PutUint16(poll[4:], unix.POLLIN)
	binary.NativeEndian.PutUint32(poll[8:], uint32(fd))
	binary.NativeEndian.PutUint16(poll[12:], unix.POLLIN)
	either, come := plan.Bytes(poll), p.Label("not asked to end")
	p.Put(either, 0, e.asked)
	p.Do("ppoll", unix.SYS_PPOLL, plan.M(either), plan.C(2), plan.C(0), plan.C(0), plan.C(8)).On(unix.EINTR, again)
	p.Do("read", unix.SYS_READ, plan.R(e.asked), plan.M(plan.Bytes(make([]byte, 128))), plan.C(128)).On(unix.EAGAIN, come)
	p.Exit(128 + int(unix.SIGTERM))
	p.Here(come)
}

// ignore appends that the payload has its signals as they were.
func (e *endings) ignore(p *plan.Plan) {
	if e == nil {
		return
	}
	p.Close(e.asked)
	p.Do("rt_sigprocmask", unix.SYS_RT_SIGPROCMASK, plan.C(unix.SIG_SETMASK), plan.M(e.before), plan.C(0), plan.C(8))
}
