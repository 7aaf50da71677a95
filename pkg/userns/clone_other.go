//go:build !amd64

package userns

import "syscall"

// sharing: here a child works in a copy of our memory.
const sharing = false

func cloneShared(*clone3Args, uintptr, uintptr, *program) (pid, errno uintptr) {
	return 0, uintptr(syscall.ENOSYS)
}

func vfork(uintptr, uintptr, uintptr, *program) (uintptr, syscall.Errno) { return 0, syscall.ENOSYS }
