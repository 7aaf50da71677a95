package tests

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// leakCheck looks for what a script left behind, and removes it so that the next script does not pay for this one.
type leakCheck struct {
	dirs    []string // the script's own
	vars    []string // the environment it started with
	dir     string
	sandbox string
}

// sweep returns one line for each thing found.
func (l leakCheck) sweep() []string {
	left := l.containers()
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return append(left, err.Error())
	}
	points := mountsBelow(string(data), l.dirs)
	for i := len(points) - 1; i >= 0; i-- { // mountinfo is in mount order, so the last one is on top
		left = append(left, "the mount "+points[i])
		_ = unix.Unmount(points[i], unix.MNT_DETACH) // an ordinary user cannot have made it, nor remove it
	}
	return left
}

func (l leakCheck) containers() []string {
	out, err := l.run("list", "-q")
	if err != nil {
		return []string{fmt.Sprintf("a state that `sandbox list -q` cannot read: %v", err)}
	}
	var left []string
	for _, id := range strings.Fields(out) {
		left = append(left, "the container "+id)
		if _, err := l.run("delete", "--force", id); err != nil {
			left = append(left, fmt.Sprintf("the container %s, which `delete --force` does not remove: %v", id, err))
		}
	}
	return left
}

func (l leakCheck) run(args ...string) (string, error) {
	cmd := exec.Command(l.sandbox, args...)
	cmd.Env, cmd.Dir = l.vars, l.dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return string(out), err
}

// mountsBelow lists the mount points of a mountinfo table that lie in one of dirs.
func mountsBelow(mountinfo string, dirs []string) []string {
	var found []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		// The mount point, with space, tab, newline and backslash in octal (proc_pid_mountinfo(5)).
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(fields[4])
		for _, dir := range dirs {
			if point == dir || strings.HasPrefix(point, dir+"/") {
				found = append(found, point)
			}
		}
	}
	return found
}
