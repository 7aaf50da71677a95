package userns

import "syscall"

// ownStack says that a child can begin on a stack of its own, and so work in our
// memory, or let go of its copy.
const ownStack = true

//go:noescape
func cloneOnto(nr, a, b, c, entry uintptr, pr *program) (pid, errno uintptr)

//go:noescape
func vfork(flags, top, entry uintptr, pr *program) (r1 uintptr, errno syscall.Errno)
