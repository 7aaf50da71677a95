package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sandbox/pkg/helper"
	"sandbox/pkg/idmap"
	"sandbox/pkg/kernel"
	"sandbox/pkg/userns"
)

// insideVariable says to the second start of this program that it is in the user namespace, and how many ids that has.
const insideVariable = "SANDBOX_IMAGE_IDS"

// rootlessVariable says to the library who the caller is outside; root has none.
const rootlessVariable = "_CONTAINERS_ROOTLESS_UID"

// runVariable says where what is lost at the next boot may lie.
const runVariable = "SANDBOX_IMAGE_RUN"

func isInside() bool { return os.Getenv(insideVariable) != "" }

// single says whether there is one id only, so that files of all others become the caller's.
func single() bool { return os.Getenv(insideVariable) == "1" }

// enter starts this program in the namespaces and waits for it. Root needs none of its own.
func enter(args []string) (int, error) {
	var host kernel.Host
	self := host.Self()
	if self.Err != nil {
		return 0, self.Err
	}
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return 0, err
	}
	defer exe.Close()
	caller := idmap.Caller{UID: self.EUID, GID: self.EGID, Groups: self.Groups}
	if caller.UID == 0 {
		return again(exe, args, idmap.Map{}, caller, "all")
	}
	ids, count, err := chooseIDs(&caller)
	if err != nil {
		return 0, err
	}
	return again(exe, args, ids, caller, count)
}

// chooseIDs are all that the caller has; count is what the second start is told of them.
func chooseIDs(caller *idmap.Caller) (ids idmap.Map, count string, err error) {
	caller.Name = os.Getenv("USER")
	want, err := idmap.ParseWant("auto", *caller)
	if err != nil {
		return ids, "", err
	}
	maps := idmap.Host{Helpers: &helper.Finder{}}
	ids, short, err := maps.Choose(want, *caller)
	if err != nil || len(short) == 0 {
		return ids, "many", err
	}
	cause := kernel.IDMapCause(string(short[0].Reason), short[0].Evidence, kernel.Who{Name: caller.Name, UID: int(caller.UID), GID: int(caller.GID)})
	fmt.Fprintln(os.Stderr, "sandbox: one id instead of a range, so that all files of an image become yours: "+cause.String())
	return ids, "1", nil
}

func again(exe *os.File, args []string, ids idmap.Map, caller idmap.Caller, count string) (int, error) {
	env := environment(caller, count)
	argv := append([]string{"sandbox-image"}, args...)
	runtime.LockOSThread() // the child ends with this thread, and root's namespace is this thread's
	if caller.UID == 0 {
		return 0, asRoot(argv, env)
	}
	signal.Ignore(unix.SIGINT, unix.SIGQUIT)
	child, err := userns.Program{
		File: exe, Args: argv, Env: env, New: unix.CLONE_NEWNS, IDs: ids, Maps: idmap.Host{Helpers: &helper.Finder{}}, Caller: caller,
	}.Start()
	if err != nil {
		return 0, err
	}
	status, err := child.Wait()
	if err != nil {
		return 0, err
	}
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// environment is that of the second start.
func environment(caller idmap.Caller, count string) []string {
	env := append(os.Environ(), insideVariable+"="+count)
	// Where the library would write in /tmp by a name that everybody knows, it gets a directory that is covered where /tmp is shared.
	var host kernel.Host
	if dir, _, err := host.RuntimeDir(os.Getenv, int(caller.UID), host.Self().InitialUserns()); err == nil {
		env = append(env, runVariable+"="+filepath.Join(dir, "images@run")) // no container's name
	}
	if caller.UID == 0 {
		return env
	}
	// What the library asks to see that it has namespaces already, and whose.
	return append(env, "_CONTAINERS_USERNS_CONFIGURED=done", rootlessVariable+"="+strconv.Itoa(int(caller.UID)), "_CONTAINERS_ROOTLESS_GID="+strconv.Itoa(int(caller.GID)))
}

// asRoot becomes the second start. The library mounts the store over itself, which is nobody else's concern.
func asRoot(argv, env []string) error {
	if unix.Unshare(unix.CLONE_NEWNS) == nil {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
			return err
		}
	}
	return unix.Exec("/proc/self/exe", argv, env)
}

// home is the caller's home directory.
func home() string {
	if h := os.Getenv("HOME"); strings.HasPrefix(h, "/") {
		return h
	}
	return "/"
}

// uid is the caller's id on the host.
func uid() uint32 {
	if id, err := strconv.ParseUint(os.Getenv(rootlessVariable), 10, 32); err == nil {
		return uint32(id)
	}
	return uint32(os.Getuid())
}
