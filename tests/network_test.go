package tests

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// echo ADDRESS... answers each line over TCP, and each packet over UDP, with where it came from and what it was.
func echo(args []string) error {
	for _, at := range args {
		l, err := net.Listen("tcp", at)
		if err != nil {
			return err
		}
		p, err := net.ListenPacket("udp", at)
		if err != nil {
			return err
		}
		go func() {
			for b := make([]byte, 1<<16); ; {
				n, from, err := p.ReadFrom(b)
				if err != nil {
					return
				}
				_, _ = fmt.Fprintf(packets{p, from}, "%s %s", from, b[:n])
			}
		}()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer func() { _ = c.Close() }()
					for in := bufio.NewScanner(c); in.Scan(); {
						_, _ = fmt.Fprintf(c, "%s %s\n", c.RemoteAddr(), in.Text())
					}
				}()
			}
		}()
	}
	fmt.Println("ready")
	select {}
}

type packets struct {
	net.PacketConn
	to net.Addr
}

func (p packets) Write(b []byte) (int, error) { return p.WriteTo(b, p.to) }

// ask NETWORK ADDRESS TEXT [N] prints echo's answer. N more clients come before, say nothing and go when it has been given.
func ask(args []string) error {
	if len(args) != 3 && len(args) != 4 {
		return fmt.Errorf("usage: ask tcp|udp|unix ADDRESS TEXT [N]")
	}
	const most = 3 * time.Second
	if len(args) == 4 {
		n, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		for range n {
			c, err := net.DialTimeout(args[0], args[1], most)
			if err != nil {
				return err
			}
			defer func() { _ = c.Close() }()
		}
	}
	c, err := net.DialTimeout(args[0], args[1], most)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(most))
	if _, err := fmt.Fprintln(c, args[2]); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	fmt.Println(strings.TrimSpace(line))
	return err
}
