package userns

import "syscall"

// sharing says that a child can work in our memory.
const sharing = true

//go:noescape
func cloneShared(args *clone3Args, size uintptr) (pid, errno uintptr)

//go:noescape
func brother(flags uintptr) (r1 uintptr, errno syscall.Errno)
