// Package plan is the program a new process runs between fork and exec.
//
// A container start is a flat list of raw system calls, written down by
// ordinary Go code before the fork and run by the forked child without a Go
// runtime, an allocation or a second program. A [Plan] is that list. It is
// data: it prints ([Plan.Print]), it is compared with golden files without any
// privilege, and a failing step is named by its words.
//
// Side of the fork: this package works in the parent only; pkg/userns runs
// what it wrote in the child. It knows nothing about containers and imports
// no other package of this module.
package plan
