package cgroup2

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loadDeviceFilter is bpf(BPF_PROG_LOAD). golang.org/x/sys has no such call, and its
// argument holds pointers: this file is the one in the package that needs unsafe.
func loadDeviceFilter(f Filter) (int, error) {
	license := []byte("Apache-2.0\x00")
	var attr struct { // the beginning of union bpf_attr; the kernel takes the rest as zero
		kind, count           uint32
		instructions, license uint64
		logLevel, logSize     uint32
		log                   uint64
		version, flags        uint32
	}
	attr.kind, attr.count = unix.BPF_PROG_TYPE_CGROUP_DEVICE, uint32(len(f)/8)
	attr.instructions = uint64(uintptr(unsafe.Pointer(&f[0])))
	attr.license = uint64(uintptr(unsafe.Pointer(&license[0])))
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	// The verifier gives up when a signal is pending, and Go preempts by signals.
	for try := 0; errno == unix.EAGAIN && try < 20; try++ {
		fd, _, errno = unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	}
	runtime.KeepAlive(f)
	runtime.KeepAlive(license)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// attachDeviceFilter is bpf(BPF_PROG_ATTACH) for a cgroup.
func attachDeviceFilter(dir, program int) error {
	attr := struct{ target, program, kind, flags uint32 }{uint32(dir), uint32(program), unix.BPF_CGROUP_DEVICE, unix.BPF_F_ALLOW_MULTI}
	if _, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_ATTACH, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr)); errno != 0 {
		return errno
	}
	return nil
}
