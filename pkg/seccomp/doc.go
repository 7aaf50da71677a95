// Package seccomp turns the profile of an OCI spec into a program for the
// kernel's classic BPF machine, and that into steps of a plan.
//
// [Compile] reads linux.seccomp, refuses what is wrong by the field's name, and
// gives a [Filter]. For each architecture in the profile the filter is one
// balanced search over ranges of system call numbers, so the cost of a call
// does not grow with the profile. The meaning is that of libseccomp as runc
// uses it; where that leaves something open, the file that decides says so:
// rules.go (which rule wins), newest.go (calls newer than the profile),
// arg.go (widths of arguments), mux.go (socketcall and ipc).
//
// Side of the fork: the parent compiles, the child loads with one system call.
// The package must not import userns or lifecycle. It has no init: the names and
// numbers of system calls are read-only data that nothing touches before a
// profile is compiled.
package seccomp

//go:generate sh -c "go run ../../hack/syscalls $(go list -m -f '{{.Dir}}' golang.org/x/sys) tables.go"
