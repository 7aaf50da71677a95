package spec

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// profile is the file format of `--security-opt seccomp=FILE`, Docker's and podman's: the OCI one plus
// rules that depend on architecture, kernel and capabilities. Plain OCI profiles are the case without any.
type profile struct {
	specs.LinuxSeccomp
	DefaultErrno string        `json:"defaultErrno"`
	ArchMap      []profileArch `json:"archMap"`
	Syscalls     []profileRule `json:"syscalls"`
}

type profileArch struct {
	Architecture     specs.Arch   `json:"architecture"`
	SubArchitectures []specs.Arch `json:"subArchitectures"`
}

type profileRule struct {
	specs.LinuxSyscall
	Name     string        `json:"name"` // older files: one name a rule
	Errno    string        `json:"errno"`
	Includes profileFilter `json:"includes"`
	Excludes profileFilter `json:"excludes"`
}

type profileFilter struct {
	Arches    []string `json:"arches"`
	Caps      []string `json:"caps"`
	MinKernel string   `json:"minKernel"`
}

// parseProfile settles what depends on where and with which capabilities the container runs.
func parseProfile(name string, data []byte, caps []string) (*specs.LinuxSeccomp, error) {
	var p profile
	if err := decodeFile(name, data, &p); err != nil {
		return nil, err
	}
	if p.DefaultAction == "" {
		return nil, fmt.Errorf("%s: defaultAction: missing", name)
	}
	out := p.LinuxSeccomp
	var err error
	if out.DefaultErrnoRet, err = errnoRet(p.DefaultErrno, out.DefaultErrnoRet); err != nil {
		return nil, fmt.Errorf("%s: defaultErrno: %w", name, err)
	}
	if len(out.Architectures) == 0 {
		out.Architectures = nativeArchs(p.ArchMap)
	}
	for i, r := range p.Syscalls {
		at := fmt.Sprintf("%s: syscalls[%d]", name, i)
		wanted, err := r.wanted(caps)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		rule := r.LinuxSyscall
		if r.Name != "" {
			rule.Names = append(rule.Names, r.Name)
		}
		if len(rule.Names) == 0 || rule.Action == "" {
			return nil, fmt.Errorf("%s: names and action are needed", at)
		}
		if err := knownWords(&rule); err != nil {
			return nil, fmt.Errorf("%s.%w", at, err)
		}
		if rule.ErrnoRet, err = errnoRet(r.Errno, rule.ErrnoRet); err != nil {
			return nil, fmt.Errorf("%s.errno: %w", at, err)
		}
		if wanted {
			out.Syscalls = append(out.Syscalls, rule)
		}
	}
	return &out, nil
}

// knownWords looks at a rule while its place in the file is known: what depends
// on capabilities is gone when the filter is compiled, and places have moved.
func knownWords(r *specs.LinuxSyscall) error {
	const (
		actions = "SCMP_ACT_KILL SCMP_ACT_KILL_PROCESS SCMP_ACT_KILL_THREAD SCMP_ACT_TRAP SCMP_ACT_ERRNO SCMP_ACT_TRACE SCMP_ACT_ALLOW SCMP_ACT_LOG SCMP_ACT_NOTIFY"
		ops     = "SCMP_CMP_NE SCMP_CMP_LT SCMP_CMP_LE SCMP_CMP_EQ SCMP_CMP_GE SCMP_CMP_GT SCMP_CMP_MASKED_EQ"
	)
	if !oneOf(string(r.Action), actions) {
		return fmt.Errorf("action: unknown action %q", r.Action)
	}
	for i, a := range r.Args {
		if !oneOf(string(a.Op), ops) {
			return fmt.Errorf("args[%d].op: unknown operator %q", i, a.Op)
		}
		if a.Index > 5 {
			return fmt.Errorf("args[%d].index: a system call has arguments 0 to 5, not %d", i, a.Index)
		}
	}
	return nil
}

func (r *profileRule) wanted(caps []string) (bool, error) {
	in, out := r.Includes, r.Excludes
	if len(in.Arches) > 0 && !contains(in.Arches, profileArchName()) || contains(out.Arches, profileArchName()) {
		return false, nil
	}
	for _, c := range in.Caps {
		if !contains(caps, c) {
			return false, nil
		}
	}
	for _, c := range out.Caps {
		if contains(caps, c) {
			return false, nil
		}
	}
	if in.MinKernel != "" {
		return kernelAtLeast(in.MinKernel)
	}
	if out.MinKernel != "" {
		newer, err := kernelAtLeast(out.MinKernel)
		return !newer, err
	}
	return true, nil
}

// profileArchName: the files use libseccomp's names for some architectures and Go's for others.
func profileArchName() string {
	if runtime.GOARCH == "386" {
		return "x86"
	}
	return runtime.GOARCH
}

func nativeArchs(list []profileArch) []specs.Arch {
	native := map[string]specs.Arch{
		"amd64": specs.ArchX86_64, "386": specs.ArchX86, "arm64": specs.ArchAARCH64, "arm": specs.ArchARM,
		"ppc64le": specs.ArchPPC64LE, "s390x": specs.ArchS390X, "riscv64": specs.ArchRISCV64,
	}[runtime.GOARCH]
	for _, a := range list {
		if a.Architecture == native {
			return append([]specs.Arch{native}, a.SubArchitectures...)
		}
	}
	return nil
}

// errnoRet prefers the name: numbers differ between architectures.
func errnoRet(name string, number *uint) (*uint, error) {
	if name == "" {
		return number, nil
	}
	if n, err := strconv.ParseUint(name, 10, 12); err == nil {
		ret := uint(n)
		return &ret, nil
	}
	for e := uint(1); e < 200; e++ {
		if unix.ErrnoName(unix.Errno(e)) == name {
			return &e, nil
		}
	}
	return nil, fmt.Errorf("unknown error name %q", name)
}

func kernelAtLeast(want string) (bool, error) {
	wantMajor, wantMinor, ok := majorMinor(want)
	if !ok {
		return false, fmt.Errorf("minKernel %q is not a version", want)
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false, fmt.Errorf("asking for the kernel's version: %w", err)
	}
	major, minor, _ := majorMinor(unix.ByteSliceToString(u.Release[:]))
	return major > wantMajor || major == wantMajor && minor >= wantMinor, nil
}

func majorMinor(v string) (major, minor uint64, ok bool) {
	first, rest, _ := strings.Cut(v, ".")
	second := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	major, err1 := strconv.ParseUint(first, 10, 16)
	minor, err2 := strconv.ParseUint(second, 10, 16)
	return major, minor, err1 == nil && err2 == nil
}
