package tests

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// rights are what a process may do, by /proc/PID/status.
type rights struct {
	prm, eff, inh, bnd, amb uint64
	nnp, seccomp            uint64
}

func rightsOf(proc string) (r rights, ok bool) {
	text, err := os.ReadFile(proc + "/status")
	if err != nil {
		return r, false
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		for _, f := range []struct {
			name string
			base int
			to   *uint64
		}{
			{"CapPrm", 16, &r.prm}, {"CapEff", 16, &r.eff}, {"CapInh", 16, &r.inh}, {"CapBnd", 16, &r.bnd}, {"CapAmb", 16, &r.amb},
			{"NoNewPrivs", 10, &r.nnp}, {"Seccomp", 10, &r.seccomp},
		} {
			if name == f.name {
				*f.to, _ = strconv.ParseUint(value, f.base, 64)
			}
		}
	}
	return r, true
}

// beyond says what of r the process with ours has not.
func (r rights) beyond(ours rights) string {
	var more []string
	if caps := (r.prm | r.eff | r.inh | r.amb) &^ (ours.prm | ours.eff | ours.inh | ours.amb); caps != 0 {
		more = append(more, fmt.Sprintf("capabilities %#x", caps))
	}
	if bnd := r.bnd &^ ours.bnd; bnd != 0 {
		more = append(more, fmt.Sprintf("bounding set %#x", bnd))
	}
	if r.nnp < ours.nnp {
		more = append(more, "no no_new_privs")
	}
	if r.seccomp < ours.seccomp {
		more = append(more, "no filter")
	}
	return strings.Join(more, ", ")
}

// hunter looks for processes of its pid namespace that may do or know more than itself.
type hunter struct {
	ours           rights
	secret         []byte
	last           int // the newest pid that was seen
	said           int
	opened, traced int // foreign processes that were opened for writing, and stopped
}

// secretOf is what is looked for in the memory of others, in parts: who starts us has our arguments in its memory.
func secretOf(parts []string) []byte { return []byte(strings.Join(parts, "-")) }

// hunt SECONDS SECRET... takes every process that appears before it has become one of the container's: its memory opened for
// writing, itself stopped by ptrace(2). It counts what it had (SAW) and says what that had which it has not itself (GOT):
// capabilities, freedom from no_new_privs or a filter, files, another root, and SECRET anywhere in its memory.
func hunt(args []string) error {
	runtime.LockOSThread() // a tracer is a thread
	h := &hunter{secret: secretOf(args[1:])}
	h.ours, _ = rightsOf("/proc/self")
	fmt.Printf("SAW own rights %+v\n", h.ours)
	h.last = os.Getpid()
	err := until(args[0], func() bool {
		if time.Now().UnixMilli()%16 == 0 { // a pid that was taken before ours, or far away
			for _, proc := range pids() {
				if n, _ := strconv.Atoi(filepath.Base(proc)); n > h.last {
					h.last = n
					h.take(n)
				}
			}
		}
		// The next to be given away. Threads take numbers as well.
		for n := h.last + 1; n < h.last+6; n++ {
			if unix.Access("/proc/"+strconv.Itoa(n), unix.F_OK) == nil {
				h.last = n
				h.take(n)
			}
		}
		return false
	})
	fmt.Println("SAW", h.opened, "foreign processes opened", h.traced, "stopped")
	fmt.Println("DONE")
	return err
}

func (h *hunter) got(format string, args ...any) {
	if h.said++; h.said <= 40 {
		fmt.Printf("GOT "+format+"\n", args...)
	}
}

func (h *hunter) take(pid int) {
	proc := "/proc/" + strconv.Itoa(pid)
	mem, err := unix.Open(proc+"/mem", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		r, ok := rightsOf(proc)
		if foreignProgram(proc) != "" {
			h.opened++
			if more := r.beyond(h.ours); ok && more != "" {
				h.got("the memory of %d, which has %s", pid, more)
			}
		}
		unix.Close(mem)
	}
	if unix.PtraceSeize(pid) != nil {
		return
	}
	defer func() { _ = unix.PtraceDetach(pid) }()
	if unix.PtraceInterrupt(pid) != nil {
		return
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil || !status.Stopped() {
		return
	}
	if foreignProgram(proc) == "" {
		return // it is the container's already
	}
	h.traced++
	h.look(pid, proc)
}

// look is what is had of a process that stands still.
func (h *hunter) look(pid int, proc string) {
	if r, ok := rightsOf(proc); ok {
		if more := r.beyond(h.ours); more != "" {
			h.got("%d by ptrace, which has %s", pid, more)
		}
	}
	if root, err := os.Readlink(proc + "/root"); err == nil && root != "/" {
		h.got("the root of %d, %s", pid, root)
	}
	if fd, err := unix.PidfdOpen(pid, 0); err == nil {
		for n := 3; n < 64; n++ {
			if got, err := unix.PidfdGetfd(fd, n, 0); err == nil {
				what, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(got))
				// The way to whoever started it, and that to be told to end, which tells everybody about his own signals (signalfd(2)).
				if !strings.HasPrefix(what, "socket:") && what != "anon_inode:[signalfd]" {
					h.got("fd %d of %d, %s", n, pid, what)
				}
				unix.Close(got)
			}
		}
		unix.Close(fd)
	}
	if where := h.remembers(proc); where != "" {
		h.got("the secret of %d, %s", pid, where)
	}
}

// remembers looks for the secret in all memory that can be read.
func (h *hunter) remembers(proc string) string {
	if text, err := os.ReadFile(proc + "/environ"); err == nil && bytes.Contains(text, h.secret) {
		return "in its environment"
	}
	maps, err := os.ReadFile(proc + "/maps")
	if err != nil {
		return ""
	}
	mem, err := os.Open(proc + "/mem")
	if err != nil {
		return ""
	}
	defer mem.Close()
	for line := range strings.Lines(string(maps)) {
		var begin, end int64
		if n, _ := fmt.Sscanf(line, "%x-%x", &begin, &end); n != 2 || !strings.Contains(line, " rw") {
			continue
		}
		buf := make([]byte, 64<<10)
		for at := begin; at < end; at += int64(len(buf) - len(h.secret)) {
			n, _ := mem.ReadAt(buf, at)
			if bytes.Contains(buf[:n], h.secret) {
				return "at " + strings.TrimSpace(line)
			}
		}
	}
	return ""
}

// inspect PID SECRET... says what one process is and has that we have not, as hunt does.
func inspect(args []string) error { return inspected(args, func(int) error { return nil }) }

// inspected stops a process, looks at it, and does more with it.
func inspected(args []string, more func(pid int) error) error {
	runtime.LockOSThread()
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	proc := "/proc/" + args[0]
	h := &hunter{secret: secretOf(args[1:])}
	h.ours, _ = rightsOf("/proc/self")
	theirs, _ := rightsOf(proc)
	beyond := theirs.beyond(h.ours)
	fmt.Printf("SAW %+v\n", theirs)
	if beyond != "" {
		fmt.Println("HAS", beyond) // it is GOT only by who gets at it
	}
	if line, err := os.ReadFile(proc + "/cmdline"); err == nil && len(line) > 0 {
		h.got("its command line %q", line)
	}
	if mem, err := unix.Open(proc+"/mem", unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
		unix.Close(mem)
		fmt.Println("SAW its memory")
		if beyond != "" {
			h.got("its memory, with %s", beyond)
		}
	}
	defer fmt.Println("DONE")
	if err := unix.PtraceSeize(pid); err != nil {
		fmt.Println("SAW ptrace refused:", err)
		return nil
	}
	defer func() { _ = unix.PtraceDetach(pid) }()
	if err := unix.PtraceInterrupt(pid); err != nil {
		return err
	}
	if _, err := unix.Wait4(pid, nil, unix.WALL, nil); err != nil {
		return err
	}
	fmt.Println("SAW it stopped")
	h.look(pid, proc)
	return more(pid)
}

// neighbours BEGINNING... tries to get at every process whose command line begins so, and at whoever waits for us, as the host's
// processes are seen with --pid host: SAW says which there were, GOT which could be stopped, read or robbed of a file.
func neighbours(words []string) error {
	runtime.LockOSThread()
	for _, proc := range pids() {
		line, _ := os.ReadFile(proc + "/cmdline")
		text := strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
		name := "runtime" // whoever has us among its arguments
		if !strings.Contains(text, "neighbours") {
			word := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(text, w) })
			if word < 0 {
				continue
			}
			name = words[word]
		}
		fmt.Println("SAW", name)
		pid, _ := strconv.Atoi(filepath.Base(proc))
		if fd, err := unix.Open(proc+"/mem", unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
			unix.Close(fd)
			fmt.Println("GOT the memory of", text)
		}
		if _, err := os.ReadFile(proc + "/environ"); err == nil {
			fmt.Println("GOT the environment of", text)
		}
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			if got, err := unix.PidfdGetfd(fd, 2, 0); err == nil {
				unix.Close(got)
				fmt.Println("GOT a file of", text)
			}
			unix.Close(fd)
		}
		if unix.PtraceSeize(pid) == nil {
			fmt.Println("GOT", text, "by ptrace")
			if unix.PtraceInterrupt(pid) == nil {
				_, _ = unix.Wait4(pid, nil, unix.WALL, nil)
			}
			_ = unix.PtraceDetach(pid)
		}
	}
	fmt.Println("DONE")
	return nil
}
