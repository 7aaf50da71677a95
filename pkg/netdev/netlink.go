package netdev

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// conn is an rtnetlink(7) socket. One request is under way at a time.
type conn struct{ fd int }

func open() (*conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	return &conn{fd}, nil
}

func (c *conn) close() { unix.Close(c.fd) }

// message is one request while it is written.
type message struct{ b []byte }

func newMessage(kind uint16, flags int, header []byte) *message {
	m := &message{make([]byte, unix.NLMSG_HDRLEN, 256)}
	binary.NativeEndian.PutUint16(m.b[4:], kind)
	binary.NativeEndian.PutUint16(m.b[6:], uint16(flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK))
	m.b = append(m.b, header...)
	return m
}

// attr appends an attribute, padded to four bytes.
func (m *message) attr(kind uint16, value []byte) *message {
	m.b = binary.NativeEndian.AppendUint16(m.b, uint16(unix.SizeofRtAttr+len(value)))
	m.b = binary.NativeEndian.AppendUint16(m.b, kind)
	m.b = append(m.b, value...)
	for len(m.b)%4 != 0 {
		m.b = append(m.b, 0)
	}
	return m
}

var errShort = errors.New("netlink answer is cut short")

// do sends a request and hears its answers until the last: the errno of an
// acknowledgment, or the end of a list.
func (c *conn) do(m *message, hear func(kind uint16, body []byte)) error {
	binary.NativeEndian.PutUint32(m.b, uint32(len(m.b)))
	if err := unix.Sendto(c.fd, m.b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := c.receive(buf)
		if err != nil {
			return err
		}
		for rest := buf[:n]; len(rest) > 0; {
			size := 0
			if len(rest) >= unix.NLMSG_HDRLEN {
				size = int(binary.NativeEndian.Uint32(rest))
			}
			if size < unix.NLMSG_HDRLEN || size > len(rest) {
				return errShort
			}
			kind, body := binary.NativeEndian.Uint16(rest[4:]), rest[unix.NLMSG_HDRLEN:size]
			switch kind {
			case unix.NLMSG_ERROR, unix.NLMSG_DONE:
				return outcome(body)
			}
			if hear != nil {
				hear(kind, body)
			}
			rest = rest[min(len(rest), (size+3)&^3):]
		}
	}
}

func (c *conn) receive(buf []byte) (int, error) {
	for {
		n, from, err := unix.Recvfrom(c.fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		// Only the kernel speaks as port 0 (netlink(7)).
		if sender, ok := from.(*unix.SockaddrNetlink); err == nil && (!ok || sender.Pid != 0) {
			continue
		}
		return n, err
	}
}

// outcome is the negative errno at the beginning of the last answer, 0 for
// success.
func outcome(body []byte) error {
	if len(body) < 4 {
		return errShort
	}
	if e := int32(binary.NativeEndian.Uint32(body)); e != 0 {
		return unix.Errno(-e)
	}
	return nil
}

// attributes walks over the attributes of an answer.
func attributes(b []byte, each func(kind uint16, value []byte)) {
	for len(b) >= unix.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return
		}
		each(binary.NativeEndian.Uint16(b[2:])&^uint16(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[unix.SizeofRtAttr:size])
		b = b[min(len(b), (size+3)&^3):]
	}
}
