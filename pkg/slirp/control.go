package slirp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// request is one line to a helper, answered with one line.
type request struct {
	Add    []Port `json:"add,omitempty"`
	Remove string `json:"remove,omitempty"` // a host port, with /udp where it is that
}

type answer struct {
	Ports []Port `json:"ports"`
	Error string `json:"error,omitempty"`
}

// listen makes the socket of `sandbox port`. Who may ask is who may enter the
// directory: its owner.
func (h *Helper) listen() (*net.UnixListener, error) {
	_ = os.Remove(controlSocket)
	return net.ListenUnix("unix", &net.UnixAddr{Name: controlSocket, Net: "unix"})
}

func (h *Helper) control(l *net.UnixListener) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = c.Close() }()
			_ = c.SetDeadline(time.Now().Add(patience))
			var q request
			var a answer
			err := json.NewDecoder(io.LimitReader(c, 1<<20)).Decode(&q)
			if err == nil {
				err = h.do(&q)
			}
			if err != nil {
				a.Error = err.Error()
			}
			h.mu.Lock()
			a.Ports = append([]Port{}, h.ports...)
			h.mu.Unlock()
			_ = json.NewEncoder(c).Encode(&a)
		}()
	}
}

// do adds all ports or none.
func (h *Helper) do(q *request) error {
	if q.Remove != "" {
		host, proto, err := portOf(q.Remove)
		if err != nil {
			return err
		}
		return h.withdraw(host, proto)
	}
	if len(q.Add) == 0 {
		return nil
	}
	if err := Reserve(q.Add); err != nil {
		return err
	}
	for i, p := range q.Add {
		if err := h.publish(p); err != nil {
			for _, done := range q.Add[:i] {
				_ = h.withdraw(done.Host, done.Proto)
			}
			return err
		}
	}
	return nil
}

// Closed says whether the helper of a network has closed all its ports.
func Closed(dir string) bool {
	_, err := os.Lstat(dir + "/" + controlSocket)
	return err != nil
}

// Ask talks to the helper whose network has that directory, which may be below
// /proc/self/fd: a socket's address has room for 107 bytes. With neither ports
// nor a port to remove it lists.
func Ask(dir string, add []Port, remove string) ([]Port, error) {
	c, err := net.DialTimeout("unix", dir+"/"+controlSocket, patience)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("its network publishes no ports")
		}
		return nil, fmt.Errorf("the helper of its network does not answer (%w): its ports are gone until the container is started again", err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	if err := json.NewEncoder(c).Encode(request{Add: add, Remove: remove}); err != nil {
		return nil, err
	}
	var a answer
	if err := json.NewDecoder(io.LimitReader(c, 16<<20)).Decode(&a); err != nil {
		return nil, fmt.Errorf("the helper of its network: %w", err)
	}
	if a.Error != "" {
		return a.Ports, errors.New(a.Error)
	}
	return a.Ports, nil
}
