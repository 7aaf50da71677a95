package seccomp

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Actions are the words for what becomes of a call; see [Compile].
func Actions() []string {
	return words(specs.ActAllow, specs.ActErrno, specs.ActKill, specs.ActKillProcess, specs.ActKillThread, specs.ActLog, specs.ActNotify, specs.ActTrace, specs.ActTrap)
}

// Operators compare an argument; see [Actions].
func Operators() []string {
	return words(specs.OpEqualTo, specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpLessEqual, specs.OpLessThan, specs.OpMaskedEqual, specs.OpNotEqual)
}

// Architectures have a table of numbers here; see [Actions].
func Architectures() []string {
	var list []string
	for i := range arches {
		list = append(list, string(arches[i].name))
	}
	return list
}

// Flags are the filter flags that Compile understands, and which of them this
// kernel takes: asked with a program at address 0, which it reads last.
func Flags() (known, supported []string) {
	for _, f := range []struct {
		name specs.LinuxSeccompFlag
		bits uintptr
	}{
		{"SECCOMP_FILTER_FLAG_TSYNC", 0},
		{specs.LinuxSeccompFlagLog, unix.SECCOMP_FILTER_FLAG_LOG},
		{specs.LinuxSeccompFlagSpecAllow, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
		{specs.LinuxSeccompFlagWaitKillableRecv, unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | unix.SECCOMP_FILTER_FLAG_NEW_LISTENER},
	} {
		known = append(known, string(f.name))
		if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, f.bits, 0); errno == unix.EFAULT {
			supported = append(supported, string(f.name))
		}
	}
	return known, supported
}

func words[T ~string](list ...T) []string {
	var words []string
	for _, w := range list {
		words = append(words, string(w))
	}
	return words
}
