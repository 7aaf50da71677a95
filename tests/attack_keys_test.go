package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

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
