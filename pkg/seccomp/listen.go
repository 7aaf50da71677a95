package seccomp

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// listen settles who hears of calls. The child hands the listener over after
// it has loaded the filter, so one of the two calls that can pass an fd must
// get through without being asked about.
func (f *Filter) listen(s *specs.LinuxSeccomp, r *reader) error {
	if s.ListenerPath == "" && s.ListenerMetadata != "" && !r.notify {
		return fmt.Errorf(field + "listenerMetadata: must not be set without listenerPath")
	}
	if strings.ContainsAny(s.ListenerPath, "\x00\n") {
		return fmt.Errorf(field+"listenerPath: NUL byte or newline in %q", s.ListenerPath)
	}
	if !r.notify {
		return nil
	}
	if s.ListenerPath == "" {
		return fmt.Errorf(field + "listenerPath: missing: SCMP_ACT_NOTIFY needs somebody who listens")
	}
	if s.ListenerPath[0] != '/' {
		return fmt.Errorf(field+"listenerPath: must be absolute, is %q", s.ListenerPath)
	}
	if len(s.ListenerPath) > 107 { // struct sockaddr_un, unix(7)
		return fmt.Errorf(field+"listenerPath: must be 107 bytes at most, has %d", len(s.ListenerPath))
	}
	f.Path, f.Meta = s.ListenerPath, s.ListenerMetadata
	for _, name := range []string{"sendmsg", "sendmmsg"} {
		if ret, sure := r.of(name); sure && stricter(ret, unix.SECCOMP_RET_TRACE) > 0 {
			f.Notify = name
			return nil
		}
	}
	return fmt.Errorf(field + "syscalls: with SCMP_ACT_NOTIFY sendmsg or sendmmsg must be allowed: the listener is handed over with it")
}

// of is our own architecture's answer to a call whatever its arguments; sure is
// false where it depends on them.
func (r *reader) of(name string) (ret uint32, sure bool) {
	at, conditional := row(name), false
	for _, u := range r.uses {
		switch {
		case u.row != at:
		case len(r.rules[u.rule].args) > 0:
			conditional = true
		default:
			return r.rules[u.rule].ret, true
		}
	}
	return r.fallback, !conditional
}

// noExec says whether execve never gets through: nobody traces what is just being
// executed, and without a tracer the call fails (seccomp(2), SECCOMP_RET_TRACE).
func (r *reader) noExec() bool {
	ret, sure := r.of("execve")
	return sure && (!passes(ret) || ret&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_TRACE)
}

// denies says whether a call never gets through.
func (r *reader) denies(name string) bool {
	ret, sure := r.of(name)
	return sure && !passes(ret)
}
