package spec

import (
	"github.com/opencontainers/runtime-spec/specs-go"
)

// A container with one id has no others to give a file to or to become, and packages do both when they are installed. So in an
// image such calls succeed and do nothing, as Charliecloud and apptainer have it: of 223 packages of Debian's all but those that
// look afterwards install then. Every name is needed. Not capset, for a program that drops its rights by it must have dropped
// them, and not the attributes, for setcap works.

// pretended are those calls, with the names that 32-bit programs have for them.
var pretended = []string{
	"chown", "fchown", "lchown", "fchownat", "chown32", "fchown32", "lchown32",
	"setgroups", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid",
	"setgroups32", "setuid32", "setgid32", "setreuid32", "setregid32", "setresuid32", "setresgid32",
}

// aptConf has apt stay root for downloads: it looks whether it has become another user.
const aptConf = "APT::Sandbox::User \"root\";\n"

// oneID says whether the container is an image's and has one id only.
func (b *builder) oneID() bool {
	return b.wish.Image != nil && len(b.ids.UID) == 1 && b.ids.UID[0].Size == 1
}

// pretend puts the calls before all other rules: the first that fits counts.
func pretend(p *specs.LinuxSeccomp) {
	success := uint(0)
	p.Syscalls = append([]specs.LinuxSyscall{{Names: pretended, Action: specs.ActErrno, ErrnoRet: &success}}, p.Syscalls...)
}

// fakeRoot tells of it, and prepares what needs more than that.
func (b *builder) fakeRoot() {
	b.notice("one-id", "all users of the image are you: changes of a file's owner and of a process's user are pretended, so that programs which give up root go on as root")
	const dir = "/etc/apt/apt.conf.d"
	if b.isDirInRoot(dir) {
		b.wish.Image.Begin = append(b.wish.Image.Begin, File{dir + "/99sandbox", []byte(aptConf)})
	}
}
