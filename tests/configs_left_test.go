package tests

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ages is how long a start may take; what takes longer hangs. Emulated processors are ten times slower.
func ages() time.Duration {
	if wantVM() == nil {
		return time.Minute
	}
	return 10 * time.Second
}

// result is what became of one command.
type result struct {
	args   []string
	status int
	text   string   // its standard error
	hung   []string // the processes there were when its time was over
}

func (r result) String() string {
	return fmt.Sprintf("sandbox %s: status %d: %.600q", strings.Join(r.args, " "), r.status, r.text)
}

// own is the line that the runtime itself has said.
func (r result) own() string {
	for line := range strings.Lines(r.text) {
		if words, ok := strings.CutPrefix(line, "sandbox: "); ok {
			return strings.TrimSpace(words)
		}
	}
	return ""
}

var panicked = regexp.MustCompile(`(?m)^(panic|fatal error|runtime error|SIG[A-Z]+): |^goroutine \d+ |\.go:\d+ \+0x`)

// wrong judges a command; alone, the payload had no part in what was said.
func (r result) wrong(alone bool) []string {
	var found []string
	bad := func(what string) { found = append(found, what+": "+r.String()) }
	if r.hung != nil {
		bad(fmt.Sprintf("it took more than %v, with\n    %s\n   ", ages(), strings.Join(r.hung, "\n    ")))
	}
	if panicked.MatchString(r.text) {
		bad("a panic")
	}
	lines, ours := strings.Count(r.text, "\n"), strings.Count("\n"+r.text, "\nsandbox: ")
	switch {
	case ours > 1:
		bad("more than one line")
	case ours == 1 && r.status == 0:
		bad("an error and success")
	case !alone:
	case r.status == 0 && lines > 0, r.status != 0 && (lines != 1 || ours != 1):
		bad("not one line of the runtime's")
	}
	if strings.ContainsAny(r.own(), "\x00\r\x1b") {
		bad("control characters")
	}
	return found
}

// sandbox runs the program under test. Its output goes to a file, which a payload may keep open.
func (c *configs) sandbox(args ...string) result {
	r := result{args: args}
	f, err := os.CreateTemp(c.dir, "stderr")
	if err != nil {
		return result{status: -1, text: err.Error()}
	}
	defer f.Close()
	os.Remove(f.Name())
	cmd := exec.Command(c.bin, append([]string{"--root", c.at("state")}, args...)...)
	cmd.Stderr = f
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.at("tmp"), "TMPDIR=" + c.at("tmp"), "XDG_RUNTIME_DIR=" + c.at("run")}
	if err := cmd.Start(); err != nil {
		return result{status: -1, text: err.Error()}
	}
	late := make(chan []string, 1)
	timer := time.AfterFunc(ages(), func() {
		late <- processes()
		_ = cmd.Process.Kill()
	})
	_ = cmd.Wait()
	if !timer.Stop() {
		r.hung = <-late
	}
	r.status = exitStatus(cmd.ProcessState)
	info, err := f.Stat()
	if err != nil {
		return result{status: -1, text: err.Error()}
	}
	text := make([]byte, info.Size())
	_, _ = f.ReadAt(text, 0)
	r.text = string(text)
	return r
}

// processes tells of all that are below this one what they wait for.
func processes() []string {
	list := []string{}
	for pid := range descendants(os.Getpid()) {
		line := fmt.Sprintf("%d:", pid)
		for _, file := range []string{"cmdline", "wchan", "syscall"} {
			data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
			line += fmt.Sprintf(" %.300q", strings.TrimSpace(string(data)))
		}
		list = append(list, line)
	}
	return list
}

// descendants are the children of a process, and theirs.
func descendants(pid int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
		for _, list := range lists {
			data, _ := os.ReadFile(list)
			for _, word := range strings.Fields(string(data)) {
				var child int
				if _, err := fmt.Sscan(word, &child); err != nil || !yield(child) {
					return
				}
				for below := range descendants(child) {
					if !yield(below) {
						return
					}
				}
			}
		}
	}
}

// left are the processes and groups of a container that is no more.
func (c *configs) left(id string) []string {
	var found []string
	for end := time.Now().Add(2 * time.Second); reap(); time.Sleep(pause / 4) {
		if time.Now().After(end) {
			for _, line := range processes() {
				found = append(found, "a process is left: "+line)
			}
			for pid := range descendants(os.Getpid()) {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
			end = time.Now().Add(2 * time.Second)
		}
	}
	return append(found, groupsOf(id)...)
}

// reap says whether there still are children.
func reap() bool {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG|unix.WALL, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid == 0 {
			return err == nil
		}
	}
}

// groupsOf are the groups with a name of ours. Others may come and go meanwhile: the tree is the machine's.
func groupsOf(id string) []string {
	var found []string
	if wantCgroup2() != nil {
		return nil
	}
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(path, id) {
			found = append(found, "a group is left: "+path)
			_ = os.Remove(path)
		}
		return nil
	})
	return found
}

// mountIDs are the mounts of this namespace, a line each.
func mountIDs() string {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err.Error()
	}
	var all strings.Builder
	for line := range strings.Lines(string(data)) {
		// Systemd's, of whoever logs in or out meanwhile.
		if words := strings.Fields(line); len(words) > 4 && !strings.HasPrefix(words[4], "/run/user/") && !strings.HasPrefix(words[4], "/run/credentials/") {
			all.WriteString(line)
		}
	}
	return all.String()
}
