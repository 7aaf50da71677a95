package seccomp

import (
	"golang.org/x/sys/unix"
)

// muxed are the calls that some architectures also have behind socketcall(2)
// and ipc(2), with the number that is the first argument there
// (include/uapi/linux/net.h, ipc.h).
var muxed = [...]struct {
	name, behind string
	index        uint64
}{
	{"socket", "socketcall", 1}, {"bind", "socketcall", 2}, {"connect", "socketcall", 3}, {"listen", "socketcall", 4},
	{"accept", "socketcall", 5}, {"getsockname", "socketcall", 6}, {"getpeername", "socketcall", 7},
	{"socketpair", "socketcall", 8}, {"send", "socketcall", 9}, {"recv", "socketcall", 10}, {"sendto", "socketcall", 11},
	{"recvfrom", "socketcall", 12}, {"shutdown", "socketcall", 13}, {"setsockopt", "socketcall", 14},
	{"getsockopt", "socketcall", 15}, {"sendmsg", "socketcall", 16}, {"recvmsg", "socketcall", 17},
	{"accept4", "socketcall", 18}, {"recvmmsg", "socketcall", 19}, {"sendmmsg", "socketcall", 20},
	{"semop", "ipc", 1}, {"semget", "ipc", 2}, {"semctl", "ipc", 3}, {"semtimedop", "ipc", 4}, {"msgsnd", "ipc", 11},
	{"msgrcv", "ipc", 12}, {"msgget", "ipc", 13}, {"msgctl", "ipc", 14}, {"shmat", "ipc", 21}, {"shmdt", "ipc", 22},
	{"shmget", "ipc", 23}, {"shmctl", "ipc", 24},
}

// mux lets a rule for one of those also count behind the old door, or a
// program for i386 would walk past a forbidden connect. The arguments are behind
// a pointer there, so of rules with args only those count that are stricter than
// the default, and then for all arguments: libseccomp's answer, but it lets
// through what a rule with args allows, too. Where the profile has a rule without
// args for socketcall or ipc itself, that one decides.
func (r *reader) mux(m *arch) (extra []use) {
	if _, has := m.named("ipc"); !has {
		return nil // those that have one have both
	}
	var place [rows]uint8 // in muxed, one more than the index
	for i := range muxed {
		place[row(muxed[i].name)] = uint8(i + 1)
	}
	for _, u := range r.uses {
		if i := place[u.row]; i > 0 && len(r.rules[u.rule].args) == 0 {
			place[u.row] = 0 // it decides alone, as for the call itself
			extra = append(extra, r.behind(i-1, u))
		}
	}
	for _, u := range r.uses {
		if i := place[u.row]; i > 0 && stricter(r.rules[u.rule].ret, r.fallback) < 0 {
			extra = append(extra, r.behind(i-1, u))
		}
	}
	return extra
}

func (r *reader) behind(i uint8, u use) use {
	x, from := &muxed[i], r.rules[u.rule]
	mask := uint64(0xffffffff) // an int, whatever else is in the register
	if x.behind == "ipc" {
		mask = 0xffff // the upper half is a version (ipc/syscall.c)
	}
	r.rules = append(r.rules, rule{from.ret, []condition{{test: unix.BPF_JEQ, mask: mask, value: x.index}}, from.order})
	return use{row(x.behind), len(r.rules) - 1}
}
