package spec

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
)

// maxUserFile bounds /etc/passwd and /etc/group of a root, in bytes.
const maxUserFile = 16 << 20

// account is one line of passwd(5), as far as it matters here.
type account struct {
	name     string
	uid, gid uint32
	home     string
}

// groupLine is one line of group(5).
type groupLine struct {
	name    string
	gid     uint32
	members []string
}

// accounts yields the lines that make sense; others are skipped as the C library skips them.
func accounts(data []byte) iter.Seq[account] {
	return func(yield func(account) bool) {
		for line := range lines(data) {
			f := strings.Split(line, ":")
			if len(f) < 6 || f[0] == "" {
				continue
			}
			uid, okU := parseID(f[2])
			gid, okG := parseID(f[3])
			if okU && okG && !yield(account{f[0], uid, gid, f[5]}) {
				return
			}
		}
	}
}

func groups(data []byte) iter.Seq[groupLine] {
	return func(yield func(groupLine) bool) {
		for line := range lines(data) {
			f := strings.Split(line, ":")
			if len(f) < 3 || f[0] == "" {
				continue
			}
			gid, ok := parseID(f[2])
			if !ok {
				continue
			}
			g := groupLine{name: f[0], gid: gid}
			if len(f) > 3 {
				g.members = strings.Split(f[3], ",")
			}
			if !yield(g) {
				return
			}
		}
	}
}

// lines leaves out comments, and what contains a NUL: no account can have one.
func lines(data []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for raw := range bytes.Lines(data) {
			line := strings.TrimSpace(string(raw))
			if line == "" || line[0] == '#' || strings.IndexByte(line, 0) >= 0 {
				continue
			}
			if !yield(line) {
				return
			}
		}
	}
}

// parseID reads a decimal id. 4294967295 is (uid_t)-1, which is none.
func parseID(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n != 1<<32-1 && s[0] != '+'
}

// findAccount looks for a name or, when who is a number, an id; the first line counts, as in getpwnam(3).
func findAccount(data []byte, who string) (account, bool) {
	id, isID := parseID(who)
	for a := range accounts(data) {
		if a.name == who || isID && a.uid == id {
			return a, true
		}
	}
	return account{uid: id, home: "/"}, false
}

func findGroup(data []byte, which string) (gid uint32, ok bool) {
	id, isID := parseID(which)
	for g := range groups(data) {
		if g.name == which || isID && g.gid == id {
			return g.gid, true
		}
	}
	return id, isID
}

// memberships are the gids of the groups that list the name, each once.
func memberships(data []byte, name string) []uint32 {
	var gids []uint32
	seen := map[uint32]bool{}
	for g := range groups(data) {
		if !seen[g.gid] && contains(g.members, name) {
			seen[g.gid] = true
			gids = append(gids, g.gid)
		}
	}
	return gids
}
