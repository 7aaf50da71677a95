package tests

import (
	"fmt"
	"net"
	"os"
	"time"
)

// connect SOCKET SECONDS is somebody who connects and says nothing.
func connect(args []string) error {
	c, err := net.Dial("unix", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Println("SAW", args[0])
	_ = os.WriteFile(args[0]+".connected", []byte("yes"), 0o644)
	wait, err := time.ParseDuration(args[1] + "s")
	if err != nil {
		return err
	}
	_ = c.SetReadDeadline(time.Now().Add(wait))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		fmt.Println(err)
	}
	return nil
}
