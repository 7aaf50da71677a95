package userns

import (
	"encoding/binary"
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// packet is one message of a child.
type packet struct {
	kind  uint32
	step  int
	errno unix.Errno
	words string
	pid   int // the sender's pid as the receiver sees it; 0 unless asked for
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
		words: string(b[header:]),
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return p
	}
	for i := range msgs {
		if cred, err := unix.ParseUnixCredentials(&msgs[i]); err == nil {
			p.pid = int(cred.Pid)
		}
	}
	return p
}

// Outcome reads what became of a child that was told to report to the other
// end of fd ([plan.Plan.Report]): nil when it became its payload, the step
// that failed otherwise. A child that vanished without a word, or before it
// said it was about to exec, is io.ErrUnexpectedEOF.
func Outcome(fd int) error {
	said := false
	for {
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
		}
	}
}
