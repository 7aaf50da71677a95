package tests

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// freeports sets variables to ports of this host that nobody has, one after the other. Scripts run as several callers at once,
// so no port may stand in one.
func freeports(ts *testscript.TestScript, args []string) error {
	if len(args) == 0 {
		return usageError("freeports VAR...")
	}
	first, err := freePorts(len(args))
	if err != nil {
		return err
	}
	for i, name := range args {
		ts.Setenv(name, strconv.Itoa(first+i))
	}
	return nil
}

// freePorts finds n ports in a row. They are below those that the kernel gives to clients (ip_local_port_range), who would
// take one meanwhile.
func freePorts(n int) (int, error) {
	const low, high = 10000, 32000
	for range 1000 {
		first := low + rand.IntN(high-low-n)
		if free(first, n) {
			return first, nil
		}
	}
	return 0, fmt.Errorf("no %d free ports in a row", n)
}

// free says whether nobody listens on these, by tcp and udp, on any address.
func free(first, n int) bool {
	for port := first; port < first+n; port++ {
		at := ":" + strconv.Itoa(port)
		l, err := net.Listen("tcp", at)
		if err != nil {
			return false
		}
		defer l.Close()
		p, err := net.ListenPacket("udp", at)
		if err != nil {
			return false
		}
		defer p.Close()
	}
	return true
}
