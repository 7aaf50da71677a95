package userns

import (
	"encoding/binary"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
	"sandbox/pkg/printable"
)

// packet is one message of a child.
type packet struct {
	kind  uint32
	step  int
	errno unix.Errno
	words string
	pid   int // the sender's pid as the receiver sees it; 0 unless asked for
	file  int // of a packetFile; -1 when it carries none
}

// receive reads one packet; io.EOF when every holder of the other end is gone
// or has become its payload.
func receive(fd int) (packet, error) {
	var buf [4096]byte
	var oob [64]byte
	for {
		n, oobn, _, _, err := unix.Recvmsg(fd, buf[:], oob[:], unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECONNRESET):
			return packet{}, io.EOF
		case err != nil:
			return packet{}, err
		case n == 0:
			return packet{}, io.EOF
		case n < header:
			return packet{}, errors.New("short message from the child")
		}
		return decode(buf[:n], oob[:oobn]), nil
	}
}

func decode(b, oob []byte) packet {
	p := packet{
		kind:  binary.NativeEndian.Uint32(b),
		step:  int(binary.NativeEndian.Uint32(b[4:])),
		errno: unix.Errno(binary.NativeEndian.Uint32(b[8:])),
		words: printable.Text(string(b[header:])),
		file:  -1,
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return p
	}
	for i := range msgs {
		if cred, err := unix.ParseUnixCredentials(&msgs[i]); err == nil {
			p.pid = int(cred.Pid)
		}
		if fds, err := unix.ParseUnixRights(&msgs[i]); err == nil && len(fds) == 1 {
			p.file = fds[0]
		}
	}
	return p
}

// Outcome reads what became of a child that was told to report to the other
// end of fd ([plan.Plan.Report]): nil when it became its payload, the step
// that failed otherwise. A child that vanished without a word, or before it
// said it was about to exec, is io.ErrUnexpectedEOF. take gets what the child
// hands over with [HandOver]; its error ends the wait. So does a child, the process
// pid, that somebody stops.
func Outcome(fd, pid int, take func(*os.File) error) error {
	said := false
	for {
		if err := await(nil, fd, func() bool { return looksStopped(pid) }, nil); err != nil {
			return err
		}
		p, err := receive(fd)
		switch {
		case errors.Is(err, io.EOF) && said:
			return nil
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case p.kind == packetFail:
			return &Error{Step: p.step, Act: p.words, Errno: p.errno}
		case p.kind == packetNote:
			said = true
		case p.kind == packetFile:
			if err := p.take(take); err != nil {
				return err
			}
		}
	}
}

// take gives the packet's file to f, which then owns it.
func (p *packet) take(f func(*os.File) error) error {
	if p.file < 0 {
		return errors.New("the child handed nothing over")
	}
	file := os.NewFile(uintptr(p.file), "from the child")
	if f == nil {
		return errors.Join(errors.New("the child handed over a file that nobody asked for"), file.Close())
	}
	return f(file)
}

// HandOver appends the sending of an fd to whoever reads the plan's reports on
// the socket to: Spawn's File, or Outcome's take. call is sendmsg or sendmmsg, which a
// seccomp filter may tell apart.
func HandOver(p *plan.Plan, call string, to plan.Arg, fd plan.Reg) {
	msg, control := plan.Rights(plan.Words(packetFile, 0, 0), 1)
	p.Put(control, plan.RightsAt, fd)
	if call == "sendmmsg" {
		p.Do(call, unix.SYS_SENDMMSG, to, plan.M(msg), plan.C(1), plan.C(unix.MSG_NOSIGNAL))
		return
	}
	p.Do("sendmsg", unix.SYS_SENDMSG, to, plan.M(msg), plan.C(unix.MSG_NOSIGNAL))
}
