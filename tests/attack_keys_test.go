package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// withKey NAME CMD...: CMD with a session keyring in which there is a key of that name.
func withKey(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: keyring NAME CMD")
	}
	if _, err := unix.KeyctlJoinSessionKeyring("with-" + args[0]); err != nil {
		return fmt.Errorf("join a keyring: %w", err)
	}
	if _, err := unix.AddKey("user", args[0], []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING); err != nil {
		return fmt.Errorf("add a key: %w", err)
	}
	path, err := exec.LookPath(args[1])
	if err != nil {
		return err
	}
	return unix.Exec(path, args[1:], os.Environ())
}

// findKey NAME looks for it in its own session keyring.
func findKey(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: key NAME")
	}
	if id, err := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", args[0], 0); err == nil {
		fmt.Println("GOT key", id)
	} else {
		fmt.Println("SAW no key:", err)
	}
	return nil
}

// keepKey NAME puts one into its session keyring, as a payload does that logs in somewhere.
func keepKey(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: keepkey NAME")
	}
	_, err := unix.AddKey("user", args[0], []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING)
	if err == nil {
		fmt.Println("SAW key kept")
	}
	return err
}

// plantKeyring RING NAME FILE makes a keyring that everybody may search, as nobody where it is root, and writes to FILE when that is
// done. Until FILE has gone it looks for a key of that name in there.
func plantKeyring(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: plantring RING NAME FILE")
	}
	runtime.LockOSThread() // keyrings are a thread's
	f, err := os.Create(args[2])
	if err != nil {
		return err
	}
	defer f.Close()
	const nobody, everybody = 65534, 0x3f3f3f3f
	_ = unix.Setresuid(nobody, nobody, nobody)
	ring, err := unix.KeyctlJoinSessionKeyring(args[0])
	if err != nil {
		return fmt.Errorf("join a keyring: %w", err)
	}
	if err := unix.KeyctlSetperm(ring, everybody); err != nil {
		return fmt.Errorf("open the keyring: %w", err)
	}
	fmt.Println("SAW", args[0])
	if _, err := f.WriteString("planted\n"); err != nil {
		return err
	}
	for {
		var st unix.Stat_t // nobody may not look its path up
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			return err
		}
		if id, err := unix.KeyctlSearch(ring, "user", args[1], 0); err == nil {
			fmt.Println("GOT key", id)
			return nil
		}
		if st.Nlink == 0 {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}
