package rootfs

import (
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// shelf keeps what is prepared as the caller and attached much later, where that is more than a process may have open: in
// messages to ourselves, whose descriptors nobody counts among ours (unix(7), SCM_RIGHTS). What is put there first comes
// back first.
type shelf struct {
	from, to plan.Reg   // the ends of a connection to ourselves; 0 before the first message
	waiting  []plan.Reg // held
	queued   []message
	few      bool // crowdOfFew is a crowd
}

// message is what was put aside together.
type message struct {
	fds  []plan.Reg
	sent plan.Reg // 0: it was not, for the user has too many on the way already, and they are still held
}

// crowd is how many are held without a shelf; it is also what one message carries (at most SCM_MAX_FD, 253).
const (
	crowd      = 24
	crowdOfFew = 2
)

func (s *shelf) crowd() int {
	if s.few {
		return crowdOfFew
	}
	return crowd
}

// put remembers an open descriptor; a crowd of them goes to the shelf.
func (s *shelf) put(p *plan.Plan, fd plan.Reg) {
	s.waiting = append(s.waiting, fd)
	if len(s.waiting) == s.crowd() {
		s.send(p)
	}
}

func (s *shelf) send(p *plan.Plan) {
	p.Act("put what is prepared aside")
	if s.from == 0 {
		pair := plan.Words(0, 0)
		p.Do("socketpair", unix.SYS_SOCKETPAIR, plan.C(unix.AF_UNIX), plan.C(unix.SOCK_STREAM|unix.SOCK_CLOEXEC), plan.C(0), plan.M(pair))
		s.from, s.to = p.Get(pair, 0).To("shelf"), p.Get(pair, 4).To("way to the shelf")
	}
	msg, control := plan.Rights(plan.Bytes(make([]byte, 1)), len(s.waiting)) // a byte is what a connection does not merge with the next
	for i, fd := range s.waiting {
		p.Put(control, plan.RightsAt+4*i, fd)
	}
	sent, held := p.Reg("sent"), p.Label("hold them")
	p.Set(sent, plan.C(0))
	p.Do("sendmsg", unix.SYS_SENDMSG, plan.R(s.to), plan.M(msg), plan.C(unix.MSG_DONTWAIT)).On(unix.ETOOMANYREFS, held).On(unix.EAGAIN, held).Into(sent)
	for _, fd := range s.waiting {
		p.Close(fd)
	}
	p.Here(held)
	s.queued, s.waiting = append(s.queued, message{s.waiting, sent}), nil
}

// take makes a descriptor usable again, with the others of its message. They are to be asked for in the order of put.
func (s *shelf) take(p *plan.Plan, fd plan.Reg) {
	if len(s.queued) == 0 || s.queued[0].fds[0] != fd {
		return
	}
	first, held := s.queued[0], p.Label("they are held")
	p.Set(first.sent, plan.R(first.sent)).IfZero(held)
	msg, control := plan.Rights(plan.Bytes(make([]byte, 1)), len(first.fds))
	p.Do("recvmsg", unix.SYS_RECVMSG, plan.R(s.from), plan.M(msg), plan.C(unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT))
	for i, r := range first.fds {
		p.Get(control, plan.RightsAt+4*i).Into(r)
	}
	p.Here(held)
	s.queued = s.queued[1:]
}
