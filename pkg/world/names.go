package world

import (
	"encoding/binary"
	"fmt"
	"sort"

	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
	"sandbox/pkg/spec"
)

// What the plan says when a piece of it was refused, and the start goes on without; the
// contract turns it into words.
const (
	NoteKeyring        = "keyring.kept"     // no key is left for a session keyring: the caller's stays
	NoteKeyringRefused = "keyring.refused"  // keyctl(2) was refused: the caller's session keyring stays
	NoteHostname       = "hostname.refused" // sethostname(2) was refused: the namespace has the caller's name
	NoteLoopback       = "loopback.down"    // the loopback device could not be brought up
)

// refusals are the answers of a filter around us (podman's and Docker's profiles give EPERM, others ENOSYS or EACCES)
// to a call that the kernel would have let through.
var refusals = []unix.Errno{unix.EPERM, unix.EACCES, unix.ENOSYS}

// Names sets the host name and the domain name. optional says that nobody has named the host name in a config.json: a
// filter around us that refuses sethostname(2), as podman's does, then costs the name and not the start. The namespace is
// new all the same, and shows a name that is known outside.
func (w *World) Names(optional bool) {
	p := w.Plan
	if h := w.Spec.Hostname; h != "" {
		p.Act("set the hostname to %s", h)
		set := p.Do("sethostname", unix.SYS_SETHOSTNAME, plan.S(h), plan.C(len(h)))
		if optional {
			noted(p, set, NoteHostname, refusals...)
		}
	}
	if d := w.Spec.Domainname; d != "" {
		p.Act("set the domain name to %s", d)
		setDomainname(p, d)
	}
}

// noted has the plan tell that a step ended with one of these errnos, and go on.
func noted(p *plan.Plan, s *plan.Step, note string, errnos ...unix.Errno) {
	lost, done := p.Label(note), p.Label("after "+note)
	for _, e := range errnos {
		s.On(e, lost)
	}
	p.Goto(done)
	p.Here(lost)
	p.Note(note)
	p.Here(done)
}

func setDomainname(p *plan.Plan, name string) {
	p.Do("setdomainname", unix.SYS_SETDOMAINNAME, plan.S(name), plan.C(len(name)))
}

// Sysctls are written through the caller's /proc: the values of a network, ipc
// or uts namespace are those of whoever opens the file, and the container's
// own /proc/sys may be read-only.
func (w *World) Sysctls() {
	if w.Spec.Linux == nil {
		return
	}
	keys := make([]string, 0, len(w.Spec.Linux.Sysctl))
	for k := range w.Spec.Linux.Sysctl {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		path, _ := spec.SysctlPath(k)
		w.Plan.Act("set sysctl %s", k)
		w.Plan.About(kernel.Attempt{Field: fmt.Sprintf("linux.sysctl[%q]", k)})
		if path == "kernel/domainname" {
			// Its file is the host root's, in every namespace.
			setDomainname(w.Plan, w.Spec.Linux.Sysctl[k])
			continue
		}
		w.Plan.WriteFile(plan.Cwd(), "/proc/sys/"+path, w.Spec.Linux.Sysctl[k])
	}
}

// Keyring gives the process a session keyring of its own, so that it cannot
// read keys of the caller's session. Keys count against a per-user quota, and
// some hosts refuse; the caller's session keyring is then left as well.
//
// It is joined without a name, which always makes a new one (keyctl_join_session_keyring(3)). By a name the kernel gives
// us whatever keyring of this user namespace has it and may be searched by us, and anybody can make one beforehand.
func Keyring(p *plan.Plan) {
	p.Act("make a session keyring")
	kept, done := p.Label("keyring kept"), p.Label("keyring made")
	join := p.Do("keyctl", unix.SYS_KEYCTL, plan.C(unix.KEYCTL_JOIN_SESSION_KEYRING), plan.C(0)).On(unix.EDQUOT, kept)
	noted(p, join, NoteKeyringRefused, plan.AnyErrno)
	p.Goto(done)
	p.Here(kept)
	p.Note(NoteKeyring)
	p.Here(done)
}

// Loopback brings lo up in a new network, as every runtime does. A host without
// AF_INET, or an outer sandbox that keeps CAP_NET_ADMIN, has none.
func (w *World) Loopback() {
	if !w.Fresh(unix.CLONE_NEWNET) {
		return
	}
	p := w.Plan
	p.Act("bring the loopback device up")
	sock := p.Do("socket", unix.SYS_SOCKET, plan.C(unix.AF_INET), plan.C(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), plan.C(0))
	none, down, done := p.Label("no AF_INET"), p.Label("loopback down"), p.Label("loopback up")
	fd := sock.On(unix.EAFNOSUPPORT, done).On(plan.AnyErrno, none).To("socket")
	request := make([]byte, 40) // struct ifreq, netdevice(7)
	copy(request, "lo")
	binary.NativeEndian.PutUint16(request[unix.IFNAMSIZ:], unix.IFF_UP|unix.IFF_RUNNING)
	up := p.Ioctl("SIOCSIFFLAGS", fd, unix.SIOCSIFFLAGS, plan.M(plan.Bytes(request)))
	for _, e := range refusals {
		up.On(e, down)
	}
	p.Close(fd)
	p.Goto(done)
	p.Here(down)
	p.Close(fd)
	p.Here(none)
	p.Note(NoteLoopback)
	p.Here(done)
}
