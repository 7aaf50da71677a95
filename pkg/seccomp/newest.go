package seccomp

import (
	"golang.org/x/sys/unix"
)

// A profile that lists what is allowed answers calls that its author could not
// know like forbidden ones, and a C library that tries the new call first takes
// EPERM for the last word where ENOSYS would make it use the old one. runc
// therefore answers ENOSYS above the largest number that the profile names,
// unless the default lets calls pass. We do the same with two corrections:
//
//   - Numbers up to execveat's (Linux 3.19, before the first OCI profile) are
//     never new. A short profile that allows read, write and exit means its
//     default action for openat, also where openat's number is larger.
//   - From 424 on (Linux 5.1) a call has the same number everywhere, so a name
//     that one architecture knows dates the profile on all.
//
// Numbers outside of the common order count neither way: x32's own (512 to
// 547, all older) and arm's private ones.

const unified = 424

// span is a leaf from a number up to the next span's.
type span struct {
	first uint32
	leaf  leaf
}

// patient says whether the default action lets unknown calls through.
func (r *reader) patient() bool {
	return stricter(r.fallback, unix.SECCOMP_RET_TRACE) >= 0
}

// newest is the largest number, without base and bit, that counts as known to
// the profile on m.
func (r *reader) newest(m *arch) uint32 {
	baseline := m
	if m.bit != 0 {
		baseline = &arches[0] // x32 has its execveat out of order
	}
	nr, _ := baseline.named("execveat")
	newest := nr - baseline.base
	for _, at := range r.known {
		if n, ok := m.number(at); ok {
			if n = n&^m.bit - m.base; n > newest && !m.outOfOrder(n) {
				newest = n
			}
			continue
		}
		// Not a call of m, but one of somebody's that was later than 5.1.
		for col, n := range numbers[at] {
			if n >= unified && n < 512 && col != colX32 {
				newest = max(newest, uint32(n))
			}
		}
	}
	return newest
}

// outOfOrder says whether a number tells nothing about age.
func (m *arch) outOfOrder(n uint32) bool {
	return m.bit != 0 && n >= 512 && n <= 547 || n >= armPrivateBegin
}

// ground is what numbers that no rule names get on m, in order.
func (r *reader) ground(m *arch) []span {
	plain, unknown := leaf{ret: r.fallback}, leaf{ret: enosys}
	if r.patient() {
		return []span{{m.bit, plain}}
	}
	after := m.bit + m.base + r.newest(m) + 1
	spans := []span{{m.bit, plain}, {after, unknown}}
	switch {
	case m.bit != 0:
		spans = append(spans, span{m.bit + max(512, after-m.bit), plain}, span{m.bit + max(548, after-m.bit), unknown})
	case m.column == colArm:
		spans = append(spans, span{armPrivateBegin, plain})
	}
	return spans
}
