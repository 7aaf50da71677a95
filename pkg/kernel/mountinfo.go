package kernel

import (
	"strconv"
	"strings"

	"sandbox/pkg/proc"
)

// mount is one line of /proc/PID/mountinfo, proc_pid_mountinfo(5).
type mount struct {
	id      int
	parent  int
	dev     string // major:minor of the file system
	root    string // the part of the file system that is mounted
	point   string
	options string // of this mount: rw,nosuid,...
	fstype  string
	super   string // options of the file system
	source  string // what is mounted: a device, or server and path
}

func (m mount) has(option string) bool {
	for o := range strings.SplitSeq(m.options, ",") {
		if o == option {
			return true
		}
	}
	return false
}

func (h Host) mounts(pid string) []mount {
	data, err := proc.ReadFile(h.proc(pid + "/mountinfo"))
	if err != nil {
		return nil
	}
	return parseMountinfo(string(data))
}

// parseMountinfo skips lines it does not understand: the fields before the dash
// have grown before (optional fields), and one odd line must not hide the rest.
func parseMountinfo(text string) []mount {
	all := make([]mount, 0, strings.Count(text, "\n"))
	for line := range strings.Lines(text) {
		left, right, found := strings.Cut(strings.TrimRight(line, "\n"), " - ")
		var f [6]string // a host with thousands of mounts is why nothing is copied here
		n := 0
		for ; n < len(f) && left != ""; n++ {
			f[n], left, _ = strings.Cut(strings.TrimLeft(left, " "), " ")
		}
		right = strings.TrimSpace(right)
		id, err := strconv.Atoi(f[0])
		if !found || n < len(f) || f[5] == "" || right == "" || err != nil {
			continue
		}
		parent, _ := strconv.Atoi(f[1])
		fstype, source, _ := strings.Cut(right, " ")
		source, _, _ = strings.Cut(source, " ")
		all = append(all, mount{id, parent, f[2], unescape(f[3]), unescape(f[4]), f[5], fstype, right[strings.LastIndexByte(right, ' ')+1:], source})
	}
	return all
}

// unescape undoes seq_path's mangling: space, tab, newline and backslash are
// written as a backslash and three octal digits.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// under reports whether path is dir or inside it.
func under(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(dir, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// mountOf is the mount that a path is on. Of two mounts on one point the later
// line hides the earlier one.
func mountOf(all []mount, path string) (mount, bool) {
	var best mount
	found := false
	for _, m := range all {
		if under(path, m.point) && (!found || len(m.point) >= len(best.point)) {
			best, found = m, true
		}
	}
	return best, found
}

// below lists the mount points strictly inside dir, each once.
func below(all []mount, dir string) []string {
	var out []string
	known := map[string]bool{}
	for _, m := range all {
		if m.point != dir && under(m.point, dir) && !known[m.point] {
			known[m.point] = true
			out = append(out, m.point)
		}
	}
	return out
}

// some shortens a list for evidence.
func some(list []string) string {
	const most = 3
	if len(list) <= most {
		return strings.Join(list, " ")
	}
	return strings.Join(list[:most], " ") + " and " + strconv.Itoa(len(list)-most) + " more"
}
