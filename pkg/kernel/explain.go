package kernel

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// sight is one look at the host on behalf of one failure.
type sight struct {
	Host
	op    Op
	errno syscall.Errno
	self  Facts
}

// explainer looks for the evidence of one cause.
type explainer func(*sight) (Cause, bool)

// Explain says why an operation failed, from what the host shows now. false
// means that no known cause has evidence here: then the errno is all there is
// to say, and the caller says that.
func (h Host) Explain(op Op, err error) (Cause, bool) {
	var known *Refusal
	if errors.As(err, &known) {
		return known.Cause, true
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return Cause{}, false
	}
	s := &sight{h, op, errno, h.Self()}
	for _, try := range explainers(op.Do) {
		if c, ok := try(s); ok {
			return c, true
		}
	}
	if op.Call != "" {
		return seccompBlocked(s) // what no other cause explains, of a call that is known
	}
	return Cause{}, false
}

// Because is err with its cause when there is a known one, and err when not.
func (h Host) Because(op Op, err error) error {
	if err == nil {
		return nil
	}
	var known *Refusal
	if errors.As(err, &known) {
		return err
	}
	if c, ok := h.Explain(op, err); ok {
		return &Refusal{Cause: c, Err: err}
	}
	return err
}

// explainers are the candidates for an action, in the order in which the
// kernel would meet them: a stripped user namespace fails every mount, so it
// comes before what is special to one file system, and a filter comes last,
// since a filter somewhere is no evidence that it was this call.
func explainers(do Action) []explainer {
	switch do {
	case NewUserns:
		return []explainer{processLimit, usernsMissing, usernsOff, usernsFull, usernsDebian, usernsChroot,
			usernsUnmapped, usernsSeccomp, usernsAppArmor, usernsSELinux}
	case NewNamespace:
		return []explainer{processLimit, usernsOff, namespaceAlone, seccompBlocked}
	case WriteIDMap:
		return []explainer{procReadOnly, usernsAppArmor, usernsUnmapped, rootNoSetfcap}
	case MountProc:
		return mountExplainers(procMasked)
	case MountSysfs:
		return mountExplainers(sysfsNetns, sysfsMasked)
	case MountCgroup:
		return mountExplainers(cgroupMount)
	case MountOverlay:
		return mountExplainers(overlayMissing, overlayNested, overlayLower, overlayUpper)
	case MountDevpts:
		return mountExplainers(devptsGid)
	case Remount:
		return mountExplainers(mountLocked)
	case Mount, MountDevice, OpenRoot:
		return mountExplainers(mountBelow)
	case Attach:
		return mountExplainers()
	}
	return otherExplainers(do)
}

func mountExplainers(special ...explainer) []explainer {
	all := append([]explainer{fileLimit, kernelOld, usernsAppArmor, appArmorMount, selinuxDenied}, special...)
	return append(all, seccompBlocked)
}

func otherExplainers(do Action) []explainer {
	switch do {
	case Mknod:
		return []explainer{mknodRefused}
	case Setgroups:
		return []explainer{idUnmapped, setgroupsDenied, usernsAppArmor}
	case SetID, Chown:
		return []explainer{idUnmapped, usernsAppArmor}
	case Setrlimit:
		return []explainer{rlimitHard}
	case SetOOMScore:
		return []explainer{oomScore}
	case NewKeyring:
		return []explainer{keyringQuota}
	case UseCgroup:
		return []explainer{cgroupNoV2, cgroupDelegated}
	case UseRuntime:
		return []explainer{runtimeDirectory}
	case OpenTun:
		return []explainer{tunDevice}
	case LookAt:
		return []explainer{procHidden}
	case MapMount:
		return []explainer{kernelOld, idmapFilesystem, idmapMount}
	case OpenFile:
		return []explainer{fileLimit}
	case JoinNS:
		return []explainer{namespaceOwner, seccompBlocked}
	}
	return []explainer{processLimit, fileLimit, mountChroot, kernelOld, usernsAppArmor, seccompBlocked}
}

func (s *sight) is(any ...syscall.Errno) bool {
	for _, e := range any {
		if s.errno == e {
			return true
		}
	}
	return false
}

// got is the evidence that an errno is. Its name and not its text: the text is
// in the error already, and clients match it.
func (s *sight) got(call string) string { return call + " answered " + unix.ErrnoName(s.errno) }

// hostRoot: CAP_SYS_ADMIN of the initial user namespace, which is what "may do
// without restriction" means in every check of a distribution's patch.
func (s *sight) hostRoot() bool {
	return s.self.Has(unix.CAP_SYS_ADMIN) && s.self.InitialUserns()
}

// nested: below the initial user namespace, be it ours or the new one.
func (s *sight) nested() bool {
	return s.op.InUserns || len(s.idMap("uid_map")) > 0 && !s.self.InitialUserns()
}

func (s *sight) seccompLine() string {
	return fmt.Sprintf("Seccomp: %d in /proc/self/status", s.self.Seccomp)
}

// filtered needs both: a filter that is there, and, where it can be asked, a
// malformed call that the filter answers in place of the kernel.
func (s *sight) filtered(call string) bool {
	if s.self.Seccomp != 2 {
		return false
	}
	yes, known := s.askFilter(call)
	return yes || !known
}

// shellWord quotes what comes from the host for a command that people paste.
func shellWord(w string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,"
	if w != "" && strings.Trim(w, plain) == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
