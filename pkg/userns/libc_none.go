//go:build !cgo

package userns

const libc = false
