package main

import (
	"fmt"
	"os"
	"path/filepath"

	"sandbox/pkg/handle"
	"sandbox/pkg/lifecycle"
	"sandbox/pkg/spec"
)

// whoTyped is the caller as a spec depends on it.
func (a *app) whoTyped(r *lifecycle.Runtime, f *runFlags) (c spec.Caller, err error) {
	c = spec.Caller{
		UID: r.Caller.UID, GID: r.Caller.GID, Groups: r.Caller.Groups, Name: r.Name(),
		Home: os.Getenv("HOME"), PasswdHome: r.Home(), Env: os.Environ(), Nested: !r.Self.InitialUserns(),
		RuntimeDir: os.Getenv("XDG_RUNTIME_DIR"), StateRoot: absolute(r.Root.Path), StateRoots: r.Kernel.RuntimeDirs(os.Getenv, int(r.Caller.UID)), Paths: handle.Set{}, Ours: append(r.Helpers.Configuration(), beside(a.exe.path)...), Began: spec.Began,
		Made: &f.made, Mounts: &hostLook{host: r.Kernel},
	}
	if f.wish.Tree {
		c.Sockets = r.Kernel.Sockets
	}
	if dir, err := handle.Cwd(); err == nil { // removed: the spec says what that means
		c.Cwd, c.Dir = dir.Path, dir
	}
	if c.Binary, err = a.exe.open(); err != nil && a.exe.path != "" {
		return c, fmt.Errorf("find this program, which must not be writable for the command: %w", err)
	}
	if c.Binary != nil {
		c.Paths.Keep(c.Binary)
	}
	return c, nil
}

// beside is the program that this one calls, where both are kept together; it may come into being.
func beside(exe string) []string {
	if exe == "" {
		return nil
	}
	return []string{filepath.Join(filepath.Dir(exe), imageProgram)}
}
