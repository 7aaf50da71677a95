//go:build !amd64

package userns

import "syscall"

// ownStack: here a child goes on on a copy of our stack, in a copy of our memory.
const ownStack = false

func cloneOnto(uintptr, uintptr, uintptr, uintptr, uintptr, *program) (pid, errno uintptr) {
	return 0, uintptr(syscall.ENOSYS)
}

func vfork(uintptr, uintptr, uintptr, *program) (uintptr, syscall.Errno) { return 0, syscall.ENOSYS }
