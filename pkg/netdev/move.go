package netdev

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Move moves the device name of this network namespace into the one that ns
// names (a file of /proc/PID/ns/net), as called there, or under its own name
// when called is empty; "eth%d" lets the kernel count. Addresses that are
// permanent and of global scope go with it, and it is up in the end.
//
// When the kernel refuses the move, the device stays and is up again if it was.
func Move(name, called string, ns *os.File) error {
	if called == "" {
		called = name
	}
	here, err := open()
	if err != nil {
		return err
	}
	defer here.close()
	there, err := openIn(ns)
	if err != nil {
		return fmt.Errorf("enter the container's network namespace: %w", err)
	}
	defer there.close()
	dev, err := here.find(name)
	if err != nil {
		return err
	}
	// Asked before: the kernel moves first and renames then, so that a name that
	// is taken would be found out when the device is gone.
	if _, err := there.find(called); err == nil && !strings.Contains(called, "%d") {
		return fmt.Errorf("%q is there already in the container: %w", called, unix.EEXIST)
	}
	// Before it goes down, which removes those of IPv6 (keep_addr_on_down).
	addrs, err := here.addresses(dev.index)
	if err != nil {
		return fmt.Errorf("list its addresses: %w", err)
	}
	if err := here.setUp(dev.index, false); err != nil {
		return fmt.Errorf("take it down: %w", err)
	}
	index := there.free(dev.index)
	if err := here.move(dev.index, index, called, int(ns.Fd())); err != nil {
		if dev.up {
			_ = here.setUp(dev.index, true) // the move's error is what counts
			here.restore(dev.index, addrs)
		}
		return err
	}
	return there.settle(index, addrs)
}

// settle gives a device that has arrived what it had.
func (c *conn) settle(index int32, addrs []address) error {
	if err := c.setUp(index, true); err != nil {
		return fmt.Errorf("bring it up: %w", err)
	}
	for _, a := range addrs {
		if err := c.addAddress(index, a); err != nil {
			return fmt.Errorf("give it its address %s: %w", a, err)
		}
	}
	return nil
}

// restore puts back what taking the device down has removed; the rest is still
// there (EEXIST).
func (c *conn) restore(index int32, addrs []address) {
	for _, a := range addrs {
		_ = c.addAddress(index, a)
	}
}

// openIn opens a socket that belongs to another network namespace, for as long
// as it lives. Only this thread goes there; one that cannot come back is thrown
// away with its goroutine.
func openIn(ns *os.File) (*conn, error) {
	type result struct {
		c   *conn
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer home.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			done <- result{nil, err}
			return
		}
		c, err := open()
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- result{c, err}
	}()
	r := <-done
	return r.c, r.err
}

// device is what must be known of one.
type device struct {
	index int32
	up    bool
}

func (c *conn) find(name string) (device, error) {
	return c.one(newMessage(unix.RTM_GETLINK, 0, linkHeader(0, 0, 0)).attr(unix.IFLA_IFNAME, append([]byte(name), 0)))
}

// free is the first index from one on that no device has here: what a device
// that arrives is found by, whatever it is called.
func (c *conn) free(index int32) int32 {
	for {
		if _, err := c.one(newMessage(unix.RTM_GETLINK, 0, linkHeader(index, 0, 0))); err != nil {
			return index
		}
		index++
	}
}

func (c *conn) one(m *message) (device, error) {
	var d device
	err := c.do(m, func(kind uint16, body []byte) {
		if kind == unix.RTM_NEWLINK && len(body) >= unix.SizeofIfInfomsg {
			d.index = int32(binary.NativeEndian.Uint32(body[4:]))
			d.up = binary.NativeEndian.Uint32(body[8:])&unix.IFF_UP != 0
		}
	})
	return d, err
}

func (c *conn) setUp(index int32, up bool) error {
	flags := uint32(0)
	if up {
		flags = unix.IFF_UP
	}
	return c.do(newMessage(unix.RTM_NEWLINK, 0, linkHeader(index, flags, unix.IFF_UP)), nil)
}

// move also renames, in one request, so that neither name needs to be free on
// the other side.
func (c *conn) move(index, there int32, called string, ns int) error {
	m := newMessage(unix.RTM_NEWLINK, 0, linkHeader(index, 0, 0))
	m.attr(unix.IFLA_IFNAME, append([]byte(called), 0))
	m.attr(unix.IFLA_NET_NS_FD, binary.NativeEndian.AppendUint32(nil, uint32(ns)))
	if there != index {
		m.attr(unix.IFLA_NEW_IFINDEX, binary.NativeEndian.AppendUint32(nil, uint32(there))) // Linux 5.13
	}
	return c.do(m, nil)
}

// linkHeader is struct ifinfomsg.
func linkHeader(index int32, flags, change uint32) []byte {
	h := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(h[4:], uint32(index))
	binary.NativeEndian.PutUint32(h[8:], flags)
	binary.NativeEndian.PutUint32(h[12:], change)
	return h
}
