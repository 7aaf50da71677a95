package userns

import "syscall"

// sharing says that a child can work in our memory.
const sharing = true

//go:noescape
func cloneShared(args *clone3Args, size, entry uintptr, pr *program) (pid, errno uintptr)

//go:noescape
func vfork(flags, top, entry uintptr, pr *program) (r1 uintptr, errno syscall.Errno)
