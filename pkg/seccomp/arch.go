package seccomp

import (
	"fmt"
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// arch is an architecture whose calls a filter can tell apart.
type arch struct {
	name   specs.Arch
	goarch string // Go's name, "" where Go does not run
	audit  uint32 // what the kernel calls it in seccomp_data
	column int
	bit    uint32 // set in every number
	base   uint32 // where numbers begin
	// narrow: registers have 32 bits, so only the low half of a value counts.
	narrow bool
	// big: the high half of an argument comes first.
	big bool
}

const x32Bit = 0x40000000 // __X32_SYSCALL_BIT

var arches = [...]arch{
	{name: specs.ArchX86_64, goarch: "amd64", audit: unix.AUDIT_ARCH_X86_64, column: colAmd64},
	{name: specs.ArchX86, goarch: "386", audit: unix.AUDIT_ARCH_I386, column: col386, narrow: true},
	// libseccomp looks at 32 bits of x32's arguments. Its registers have 64, and
	// the kernel reads all of them where the type is a long.
	{name: specs.ArchX32, audit: unix.AUDIT_ARCH_X86_64, column: colX32, bit: x32Bit},
	{name: specs.ArchAARCH64, goarch: "arm64", audit: unix.AUDIT_ARCH_AARCH64, column: colArm64},
	{name: specs.ArchARM, goarch: "arm", audit: unix.AUDIT_ARCH_ARM, column: colArm, narrow: true},
	{name: specs.ArchRISCV64, goarch: "riscv64", audit: unix.AUDIT_ARCH_RISCV64, column: colRiscv64},
	{name: specs.ArchLOONGARCH64, goarch: "loong64", audit: unix.AUDIT_ARCH_LOONGARCH64, column: colLoong64},
	{name: specs.ArchPPC64LE, goarch: "ppc64le", audit: unix.AUDIT_ARCH_PPC64LE, column: colPpc64le},
	{name: specs.ArchPPC64, goarch: "ppc64", audit: unix.AUDIT_ARCH_PPC64, column: colPpc64, big: true},
	{name: specs.ArchPPC, audit: unix.AUDIT_ARCH_PPC, column: colPpc, narrow: true, big: true},
	{name: specs.ArchS390X, goarch: "s390x", audit: unix.AUDIT_ARCH_S390X, column: colS390x, big: true},
	{name: specs.ArchMIPSEL64, goarch: "mips64le", audit: unix.AUDIT_ARCH_MIPSEL64, column: colMips64le, base: 5000},
	{name: specs.ArchMIPS64, goarch: "mips64", audit: unix.AUDIT_ARCH_MIPS64, column: colMips64, base: 5000, big: true},
	{name: specs.ArchMIPSEL, goarch: "mipsle", audit: unix.AUDIT_ARCH_MIPSEL, column: colMipsle, base: 4000, narrow: true},
	{name: specs.ArchMIPS, goarch: "mips", audit: unix.AUDIT_ARCH_MIPS, column: colMips, base: 4000, narrow: true, big: true},
}

// noTable are names that specs-go has and we have no numbers for.
const noTable = "SCMP_ARCH_MIPS64N32 SCMP_ARCH_MIPSEL64N32 SCMP_ARCH_S390 SCMP_ARCH_PARISC SCMP_ARCH_PARISC64 SCMP_ARCH_M68K SCMP_ARCH_SH SCMP_ARCH_SHEB"

// archesOf are the architectures of a profile, each once, ours first: it is
// always in, as with libseccomp.
func archesOf(list []specs.Arch) ([]*arch, error) {
	var found []*arch
	for i := range arches {
		if arches[i].goarch == runtime.GOARCH {
			found = append(found, &arches[i])
		}
	}
next:
	for i, name := range list {
		for j := range arches {
			if arches[j].name == name {
				found = with(found, &arches[j])
				continue next
			}
		}
		at := fmt.Sprintf("linux.seccomp.architectures[%d]", i)
		if contains(noTable, string(name)) {
			return nil, fmt.Errorf("%s: %s is not supported, leave it out: its calls are then refused", at, name)
		}
		return nil, fmt.Errorf("%s: unknown architecture %q", at, name)
	}
	return found, nil
}

func with(list []*arch, a *arch) []*arch {
	for _, have := range list {
		if have == a {
			return list
		}
	}
	return append(list, a)
}
