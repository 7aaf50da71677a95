package seccomp

import (
	"encoding/base64"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Filter is a compiled profile. It can be written down and loaded by another
// process later.
type Filter struct {
	Program []byte `json:"-"`                // array of struct sock_filter
	Base64  string `json:"program"`          // the same for a file; see Pack
	Flags   uint32 `json:"flags,omitempty"`  // of seccomp(2)
	Notify  string `json:"notify,omitempty"` // the call that hands the listener over, "" without one
	Path    string `json:"path,omitempty"`   // the listener's socket
	Meta    string `json:"meta,omitempty"`   // goes with it

	// NoCapset: capabilities cannot be changed under it any more.
	NoCapset bool `json:"noCapset,omitempty"`
	// NoExec: no program can be executed under it, so that no payload comes of it.
	NoExec bool `json:"noExec,omitempty"`
}

// Pack makes the filter ready to be written down.
func (f *Filter) Pack() { f.Base64 = base64.StdEncoding.EncodeToString(f.Program) }

// Unpack makes a filter that was read ready to be loaded.
func (f *Filter) Unpack() (err error) {
	f.Program, err = base64.StdEncoding.DecodeString(f.Base64)
	return err
}

// foreign is the answer to calls of an architecture that the profile does not
// have: libseccomp's, but for all threads.
const foreign = unix.SECCOMP_RET_KILL_PROCESS

// Compile makes a filter of linux.seccomp. Errors name the field.
func Compile(s *specs.LinuxSeccomp) (*Filter, error) {
	list, err := archesOf(s.Architectures)
	if err != nil {
		return nil, err
	}
	r, err := read(s)
	if err != nil {
		return nil, err
	}
	f := &Filter{}
	if f.Flags, err = flagsOf(s, r.notify); err != nil {
		return nil, err
	}
	a := &assembler{back: make([]instruction, 0, 512)}
	next := a.ret(foreign)
	for i := len(list) - 1; i >= 0; i-- {
		m := list[i]
		if m.bit != 0 && hasPlain(list, m) {
			continue // the block of x86_64 holds x32's too: the kernel gives them one name
		}
		begin := a.load(offNumber, r.block(a, list, m))
		next = a.jump(unix.BPF_JEQ, m.audit, begin, next)
	}
	a.load(offArch, next)
	if f.Program, err = a.program(); err != nil {
		return nil, err
	}
	f.NoCapset, f.NoExec = r.denies("capset"), r.noExec()
	return f, f.listen(s, r)
}
