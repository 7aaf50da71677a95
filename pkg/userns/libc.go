//go:build cgo

package userns

// libc says that a C library may be in this process: `go test -race`, and a build that
// was not told CGO_ENABLED=0.
const libc = true
