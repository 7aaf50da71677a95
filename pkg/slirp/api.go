package slirp

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// apiSocket is slirp4netns's, in the network's directory.
const apiSocket = "api.sock"

// addForward publishes a port, and looks for the server behind it.
func (h *Helper) addForward(p Port, _ *os.File) error {
	if err := h.forward(p); err != nil {
		return err
	}
	h.findServer(p)
	return nil
}

// forward asks slirp4netns to publish a port (slirp4netns(1), "API socket").
func (h *Helper) forward(p Port) error {
	type arguments struct {
		Proto    string `json:"proto"`
		HostAddr string `json:"host_addr,omitempty"`
		Host     int    `json:"host_port"`
		GuestIP  string `json:"guest_addr,omitempty"` // "" is the container's own
		Guest    int    `json:"guest_port"`
	}
	var reply struct {
		ID int `json:"id"`
	}
	ip := p.HostIP
	if ip == "" {
		ip = "0.0.0.0"
	}
	err := ask("add_hostfwd", arguments{p.Proto, ip, p.Host, h.guests[p], p.Container}, &reply)
	if err != nil {
		return fmt.Errorf("slirp4netns publish %s: %w", p.where(), err)
	}
	h.ids[p] = reply.ID
	return nil
}

func (h *Helper) removeForward(p Port) error {
	if err := ask("remove_hostfwd", map[string]int{"id": h.ids[p]}, nil); err != nil {
		return fmt.Errorf("withdraw port %s: %w", p.where(), err)
	}
	delete(h.ids, p)
	h.forgetServer(p)
	return nil
}

func ask(execute string, arguments, reply any) error {
	c, err := net.DialTimeout("unix", apiSocket, patience)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	if err := json.NewEncoder(c).Encode(map[string]any{"execute": execute, "arguments": arguments}); err != nil {
		return err
	}
	if err := c.(*net.UnixConn).CloseWrite(); err != nil {
		return err
	}
	var answer struct {
		Return json.RawMessage `json:"return"`
		Error  *struct {
			Desc string `json:"desc"`
		} `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(c, 64<<10)).Decode(&answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return fmt.Errorf("%s", answer.Error.Desc)
	}
	if reply == nil {
		return nil
	}
	return json.Unmarshal(answer.Return, reply)
}
