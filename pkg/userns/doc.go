// Package userns is how a process is born in namespaces, user namespace first:
// the executor of plans.
//
// [Spawn] forks once, and the child runs a [plan.Plan] of raw system calls:
// no Go runtime, no allocation, no second program. Creating a container,
// joining one and running a hook in one are the same request with other
// fields.
//
//	parent                              child
//	prepare all memory
//	clone(CLONE_NEW*) ───────────────►  first steps
//	write the id maps                   gate "mapped" ──┐
//	answer ◄────────────────────────────────────────────┘
//	                                    mounts, pivot, ...
//	record the state ◄───────────────── gate "ready"
//	answer ──────────────────────────►  privileges, exec
//	end of file ◄────────────────────── (the socket closes on exec)
//
// The child works in the parent's memory, on a stack of its own, until it execs
// (clone_amd64.s), unless its plan is Private: page faults and their interrupts
// of other processors were a seventh of a start. One that is Private gets no more
// than its program: whoever comes to look into it finds nothing of the caller's.
//
// A child whose parent has died finds nobody at its next gate and ends.
//
// Side of the fork: both; child.go is the only file of this module that runs in
// the child, exec.go the only one that uses unsafe. It must not import spec or
// lifecycle.
package userns
