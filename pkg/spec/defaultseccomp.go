package spec

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// defaultSeccomp is Docker's profile, from the module in which its authors keep
// it: what it allows depends on the capabilities. Its few maps are made at
// start-up, in 8 µs, and the profile itself is Go code, 0.08 ms when it is asked
// for; nothing is parsed. One door of it is closed.
func (b *builder) defaultSeccomp() error {
	p, err := seccomp.GetDefaultProfile(b.spec)
	if err != nil {
		return fmt.Errorf("the default seccomp profile: %w", err)
	}
	b.spec.Linux.Seccomp = p
	if !b.socketcall && !nativeSocketcall() {
		closeSocketcall(p)
	}
	if b.wish.Nested {
		letNest(p)
	}
	if b.oneID() {
		pretend(p)
		b.fakeRoot()
	}
	return nil
}

// closeSocketcall takes the making of sockets from socketcall(2), the one call of
// i386 that passes conditions of the profile: the family that socket(2) is looked
// at for, AF_ALG or AF_VSOCK, is behind a pointer there, where no filter can look.
// All else that goes through it (bind, connect, socketpair, ...) the profile allows
// unconditionally, and the compiler lets it pass by its own names (pkg/seccomp,
// mux.go). The price are 32-bit programs with glibc, which has no other way to a
// socket, and Go's; musl takes socket(2). Docker closed socketcall for a week, found
// that price too high and left AF_ALG to AppArmor (moby/profiles 7158007, 3c28324),
// which nobody without root can load a profile of. ENOSYS and not EPERM: a library
// that has both ways goes on to the other one.
func closeSocketcall(p *specs.LinuxSeccomp) {
	for i := range p.Syscalls {
		s := &p.Syscalls[i]
		if s.Action == specs.ActAllow && len(s.Args) == 0 {
			s.Names = slices.DeleteFunc(s.Names, func(name string) bool { return name == "socketcall" })
		}
	}
	nosys := uint(unix.ENOSYS)
	p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{
		Names: []string{"socketcall"}, Action: specs.ActErrno, ErrnoRet: &nosys,
		Args: []specs.LinuxSeccompArg{{Index: 0, Value: sysSocket, Op: specs.OpEqualTo}},
	})
}

// sysSocket is SYS_SOCKET of linux/net.h, socketcall's number for socket(2).
const sysSocket = 1

// nativeSocketcall says whether the C library of this architecture itself makes its
// sockets by socketcall: glibc does, unless it was built for Linux 4.3 and newer
// only, and nothing would have a network.
func nativeSocketcall() bool { return runtime.GOARCH == "386" || runtime.GOARCH == "s390x" }
