package world

import (
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/kernel"
	"sandbox/pkg/plan"
)

// TTY says how a payload's terminal is tied to its caller.
type TTY struct {
	Console *os.File // connected socket that gets its master; nil: nobody gets it
	Plain   bool     // "\n" comes out as it is, and not as "\r\n"
	Errors  bool     // standard error is not the terminal, but the caller's
	Job     bool     // the payload is a job of the caller's shell: ^Z stops both
}

// Terminal appends the making of a pty in the container's own devpts, and sends
// its master end over the console socket. root is where the container's tree
// is, none for the current root: the caller's where there is no mount namespace. The slave is taken from the master by fd
// (TIOCGPTPEER, Linux 4.13), never by its name in a tree that others may
// change (CVE-2025-52565).
func Terminal(p *plan.Plan, root plan.Reg, proc *specs.Process, tty TTY, device bool) plan.Reg {
	p.Act("allocate a terminal")
	p.About(kernel.Attempt{Field: "process.terminal"})
	flags := unix.O_RDWR | unix.O_NOCTTY
	var open *plan.Step
	if root != 0 {
		open = p.OpenInRoot(root, "dev/pts/ptmx", flags)
	} else {
		open = p.Open("/dev/pts/ptmx", flags)
	}
	master := open.To("master")
	p.Ioctl("TIOCSPTLCK", master, unix.TIOCSPTLCK, plan.M(plan.Words(0)))
	slave := p.Ioctl("TIOCGPTPEER", master, unix.TIOCGPTPEER, plan.C(flags|unix.O_CLOEXEC)).To("slave")
	if size := proc.ConsoleSize; size != nil {
		rows, cols := uint32(uint16(size.Height)), uint32(uint16(size.Width))
		p.Ioctl("TIOCSWINSZ", master, unix.TIOCSWINSZ, plan.M(plan.Words(rows|cols<<16, 0)))
	}
	// Where the id cannot own files here (EINVAL) or we may not give them
	// away, the terminal works all the same; only opening it by name does not.
	p.Do("fchown", unix.SYS_FCHOWN, plan.R(slave), plan.C(int(proc.User.UID)), plan.C(-1)).Ignore(unix.EPERM, unix.EINVAL)
	if device {
		consoleDevice(p, root, slave)
	}
	if tty.Plain {
		printPlain(p, master)
	}
	if tty.Console != nil {
		sendMaster(p, master, int(tty.Console.Fd()))
	}
	p.Close(master)
	return slave
}

// printPlain leaves OPOST alone of the two output flags of a new pty, OPOST and
// ONLCR (tty_std_termios in drivers/tty). A payload that wants ONLCR can set it.
func printPlain(p *plan.Plan, master plan.Reg) {
	p.Act("leave newlines to the caller")
	const size, oflag = 9, 4 // of struct termios, in words; where c_oflag is, in bytes
	settings, post := plan.Words(make([]uint32, size)...), p.Reg("output flags")
	p.Ioctl("TCGETS", master, unix.TCGETS, plan.M(settings))
	p.Set(post, plan.C(unix.OPOST))
	p.Put(settings, oflag, post)
	p.Ioctl("TCSETS", master, unix.TCSETS, plan.M(settings))
}

// consoleDevice binds the slave over /dev/console.
func consoleDevice(p *plan.Plan, root, slave plan.Reg) {
	p.Act("make /dev/console")
	have, exists := p.Label("have /dev/console"), p.Label("reopen /dev/console")
	dev := p.OpenInRoot(root, "dev", unix.O_PATH|unix.O_DIRECTORY).To("dev")
	at := p.Reg("console")
	p.OpenAt(plan.R(dev), "console", unix.O_CREAT|unix.O_EXCL|unix.O_RDONLY|unix.O_NOFOLLOW, 0o600).On(unix.EEXIST, exists).Into(at)
	p.Goto(have)
	p.Here(exists)
	p.OpenAt(plan.R(dev), "console", unix.O_PATH|unix.O_NOFOLLOW, 0).Into(at)
	p.Here(have)
	p.MoveMount(p.CloneTree(plan.R(slave), "", false).To("console device"), at)
}

// sendMaster sends one fd with one short text, as every receiver of OCI
// console sockets expects it.
func sendMaster(p *plan.Plan, master plan.Reg, socket int) {
	p.Act("hand over the terminal")
	msg, control := plan.Rights(plan.Bytes([]byte("/dev/pts/ptmx")), 1)
	p.Put(control, plan.RightsAt, master)
	p.Do("sendmsg", unix.SYS_SENDMSG, plan.C(socket), plan.M(msg), plan.C(unix.MSG_NOSIGNAL))
}

// Standard makes the slave 0, 1 and, where the caller's is not kept, 2.
func Standard(p *plan.Plan, slave plan.Reg, tty TTY) {
	p.Act("make it standard input and output")
	for fd := range 3 {
		if fd == 2 && tty.Errors {
			continue
		}
		p.Dup2(slave, fd)
	}
}

// Controlling makes what is standard input the session's terminal.
func Controlling(p *plan.Plan) {
	p.Act("make it the controlling terminal")
	stdin := p.Reg("standard input")
	p.Set(stdin, plan.C(0))
	p.Ioctl("TIOCSCTTY", stdin, unix.TIOCSCTTY, plan.C(0))
}
