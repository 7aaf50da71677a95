package spec

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// nestedCalls are what a start of ours makes and the default profile keeps from who has no CAP_SYS_ADMIN. A command has that
// over namespaces that it makes itself, and over nothing that was there before.
var nestedCalls = []string{
	"clone", "clone3", "unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "sethostname", "setdomainname",
	"open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
}

// letNest has a profile let through what a sandbox inside needs. It is not the default: what the kernel does for the root
// of a user namespace (file systems, network filters, packet schedulers) is where most holes in it are found, and few
// commands start a sandbox.
func letNest(p *specs.LinuxSeccomp) {
	for i := range p.Syscalls {
		s := &p.Syscalls[i]
		s.Names = slices.DeleteFunc(slices.Clone(s.Names), func(name string) bool { return slices.Contains(nestedCalls, name) })
	}
	p.Syscalls = slices.DeleteFunc(p.Syscalls, func(s specs.LinuxSyscall) bool { return len(s.Names) == 0 })
	p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: nestedCalls, Action: specs.ActAllow},
		// A new session keyring, and nothing else of keyrings.
		specs.LinuxSyscall{Names: []string{"keyctl"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{
			{Index: 0, Value: unix.KEYCTL_JOIN_SESSION_KEYRING, Op: specs.OpEqualTo}, {Index: 1, Value: 0, Op: specs.OpEqualTo},
		}})
}

// showsWhole says whether /proc and /sys stay as they are for a sandbox inside: the kernel mounts neither anew in a user
// namespace that sees none without something mounted over it (mount_too_revealing in fs/namespace.c). Who may be the
// host's root keeps the masks.
func (b *builder) showsWhole() bool { return b.wish.Nested && !b.hostRootReachable() }

// tun is the device by which a network of its own reaches outside. Without CAP_NET_ADMIN, which a command has only over
// networks that it makes itself, nothing can be made with it.
const tun = "/dev/net/tun"

// nestedDevice gives a sandbox inside what its network needs, where the caller may open it.
func (b *builder) nestedDevice() error {
	if !b.wish.Nested || b.kind(tun) != unix.S_IFCHR || unix.Faccessat(unix.AT_FDCWD, b.onHost(tun), unix.R_OK|unix.W_OK, unix.AT_EACCESS) != nil {
		return nil
	}
	return b.device(tun, tun, "rwm")
}
