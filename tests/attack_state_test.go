package tests

import (
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// displace STOP A B SIGN exchanges two directories whenever A has a file SIGN, a moment later, and soon exchanges them
// again: when what is checked has been checked, and is not used yet. It ends when the file STOP is there.
func displace(args []string) error {
	n := 0
	exchange := func() {
		if unix.Renameat2(unix.AT_FDCWD, args[1], unix.AT_FDCWD, args[2], unix.RENAME_EXCHANGE) == nil {
			n++
		}
	}
	for end := time.Now().Add(3 * limit); time.Now().Before(end); {
		if _, err := os.Lstat(args[1] + "/" + args[3]); err == nil {
			before, after := rand.N(1500*time.Microsecond), rand.N(4*time.Millisecond)
			if rand.N(2) == 0 {
				before, after = 0, 20*time.Millisecond // for the rest of the start
			}
			time.Sleep(before)
			exchange()
			time.Sleep(after)
			exchange()
		}
		if _, err := os.Lstat(args[0]); err == nil {
			break
		}
	}
	fmt.Println("SAW", n, "exchanges")
	return nil
}
