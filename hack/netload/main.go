// Netload measures what a published port can carry, for hack/bench net.
//
//	netload serve ADDRESS                   answers a line "get" with "ok" and the end
//	netload rate ADDRESS SECONDS WORKERS    short connections: "PER-SECOND REFUSED"
//	netload first ADDRESS CMD [ARG...]      starts CMD; milliseconds until ADDRESS has answered; ends CMD
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if err := do(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "netload:", err)
		os.Exit(1)
	}
}

func do(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(args[1])
	case len(args) == 4 && args[0] == "rate":
		seconds, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		workers, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		rate(args[1], time.Duration(seconds)*time.Second, workers)
		return nil
	case len(args) > 2 && args[0] == "first":
		return first(args[1], args[2:])
	}
	return fmt.Errorf("usage: netload serve ADDRESS | rate ADDRESS SECONDS WORKERS | first ADDRESS CMD [ARG...]")
}

func serve(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = c.Close() }()
			if line, _ := bufio.NewReader(c).ReadString('\n'); line == "get\n" {
				_, _ = c.Write([]byte("ok\n"))
			}
		}()
	}
}

func get(address string) error {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte("get\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if line != "ok\n" {
		return fmt.Errorf("answer %q, %v", line, err)
	}
	return nil
}

func rate(address string, long time.Duration, workers int) {
	var good, bad atomic.Int64
	var all sync.WaitGroup
	begin := time.Now()
	for range workers {
		all.Go(func() {
			for time.Since(begin) < long {
				if get(address) == nil {
					good.Add(1)
				} else {
					bad.Add(1)
				}
			}
		})
	}
	all.Wait()
	fmt.Printf("%.0f %d\n", float64(good.Load())/time.Since(begin).Seconds(), bad.Load())
}

func first(address string, argv []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	for get(address) != nil {
		if time.Since(begin) > 30*time.Second {
			_ = cmd.Process.Kill()
			return fmt.Errorf("no answer within 30 s")
		}
		time.Sleep(500 * time.Microsecond)
	}
	fmt.Printf("%.1f\n", float64(time.Since(begin).Microseconds())/1000)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	return nil
}
