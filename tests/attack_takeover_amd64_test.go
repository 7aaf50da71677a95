package tests

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// takeover PID SECRET... is inspect, and has the process call what the payload may not: uncover /proc/sys, open for
// writing what the host's kernel runs as root, make namespaces, and a few calls that take no right.
func takeover(args []string) error {
	return inspected(args, func(pid int) error {
		v := &victim{pid: pid}
		if err := unix.PtraceGetRegs(pid, &v.regs); err != nil {
			return err
		}
		at := unix.AT_FDCWD
		v.try("umount2 /proc/sys", unix.SYS_UMOUNT2, v.text("/proc/sys"), unix.MNT_DETACH)
		v.try("openat core_pattern for writing", unix.SYS_OPENAT, uint64(at), v.text("/proc/sys/kernel/core_pattern"), unix.O_WRONLY)
		v.try("openat /", unix.SYS_OPENAT, uint64(at), v.text("/"), unix.O_RDONLY)
		v.try("unshare", unix.SYS_UNSHARE, unix.CLONE_NEWNS)
		v.try("socket", unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, 0)
		v.try("getpid", unix.SYS_GETPID)
		return unix.PtraceSetRegs(pid, &v.regs)
	})
}

// victim is a stopped process that makes our calls.
type victim struct {
	pid  int
	regs unix.PtraceRegs
}

// text writes a string below its stack.
func (v *victim) text(s string) uint64 {
	at := v.regs.Rsp - 1024
	_, _ = unix.PtracePokeData(v.pid, uintptr(at), append([]byte(s), 0))
	return at
}

// try makes one call: the instruction that it stopped behind is a system call's.
func (v *victim) try(name string, nr uint64, args ...uint64) {
	r := v.regs
	r.Orig_rax, r.Rax, r.Rip = ^uint64(0), nr, v.regs.Rip-2
	for i, to := range []*uint64{&r.Rdi, &r.Rsi, &r.Rdx} {
		if i < len(args) {
			*to = args[i]
		}
	}
	if err := unix.PtraceSetRegs(v.pid, &r); err != nil {
		fmt.Println("SAW", name, "not made:", err)
		return
	}
	var status unix.WaitStatus
	if unix.PtraceSingleStep(v.pid) != nil {
		return
	}
	if _, err := unix.Wait4(v.pid, &status, unix.WALL, nil); err != nil || !status.Stopped() {
		fmt.Println("SAW", name, "ended it", err)
		return
	}
	if err := unix.PtraceGetRegs(v.pid, &r); err != nil {
		return
	}
	if result := int64(r.Rax); result < 0 {
		fmt.Println("SAW", name, "refused:", unix.Errno(-result))
	} else {
		fmt.Println("GOT", name, result)
	}
}
