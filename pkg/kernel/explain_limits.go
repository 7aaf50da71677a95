package kernel

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func rlimitHard(s *sight) (Cause, bool) {
	if !s.is(unix.EPERM) {
		return Cause{}, false
	}
	name := strings.ToLower(strings.TrimPrefix(s.op.Path, "RLIMIT_"))
	hard, found := parseLimits(read(s.proc("self/limits")))[name]
	limit := pick(hard == math.MaxUint64, "unlimited", strconv.FormatUint(hard, 10))
	if found && s.op.Want > hard {
		return rlimitCause(name, limit, "the hard limit of "+name+" is "+limit, s.op.Want), true
	}
	// Not even root raises nofile above fs.nr_open.
	open, err := strconv.ParseUint(s.sysctl("fs.nr_open"), 10, 64)
	if name == "nofile" && err == nil && s.op.Want > open {
		limit = strconv.FormatUint(open, 10)
		return rlimitCause(name, limit, seen("fs.nr_open", limit), s.op.Want), true
	}
	return Cause{}, false
}

// processLimit: the errno of fork(2) says no more than that there is a limit.
func processLimit(s *sight) (Cause, bool) {
	if !s.is(unix.EAGAIN) || s.op.Do == OtherCall && s.op.Data != "clone" {
		return Cause{}, false
	}
	vars := []string{"UID", strconv.FormatUint(uint64(s.self.EUID), 10)}
	if group, limit := s.fullGroup(); group != "" {
		return fill(ProcessLimit, append(vars, "IFGROUP", Holds), fmt.Sprintf("pids.max = %s in the cgroup %s", limit, group)), true
	}
	soft, hard := s.processes()
	if soft == "" {
		return Cause{}, false
	}
	if soft != hard { // else there is nothing that the caller could raise
		vars = append(vars, "LIMIT", hard)
	}
	return fill(ProcessLimit, append(vars, "IFLIMIT", Holds), "ulimit -u is "+soft), true
}

// processes are the limits of processes as a shell has them, "" where they cannot be read.
func (s *sight) processes() (soft, hard string) {
	for line := range strings.Lines(read(s.proc("self/limits"))) {
		if words, found := strings.CutPrefix(line, "Max processes "); found {
			if f := strings.Fields(words); len(f) > 1 {
				return f[0], f[1]
			}
		}
	}
	return "", ""
}

// fullGroup is the first of our group and those above it that has no process left to give.
func (s *sight) fullGroup() (path, limit string) {
	for path = s.cgroupPath(); path != "" && path != "."; path = filepath.Dir(path) {
		limit = read(s.sys("fs/cgroup" + path + "/pids.max"))
		most, err := strconv.ParseUint(limit, 10, 64)
		used, err2 := strconv.ParseUint(read(s.sys("fs/cgroup"+path+"/pids.current")), 10, 64)
		if err == nil && err2 == nil && used >= most {
			return path, limit
		}
		if path == "/" {
			break
		}
	}
	return "", ""
}

func rlimitCause(name, limit, evidence string, want uint64) Cause {
	asked := pick(want == math.MaxUint64, "unlimited", strconv.FormatUint(want, 10))
	return fill(RlimitHard, []string{"LIMIT", limit, "FLAGS", name}, evidence, "asked for "+asked)
}

// parseLimits reads the hard limits of /proc/PID/limits, by the names of
// getrlimit(2) without RLIMIT_, lower case. The titles hold spaces, so the
// values are counted from the first column that is one.
func parseLimits(text string) map[string]uint64 {
	out := map[string]uint64{}
	for line := range strings.Lines(text) {
		for _, l := range limitTitles {
			rest, ok := strings.CutPrefix(line, l[0]+" ")
			words := strings.Fields(rest)
			if !ok || len(words) < 2 {
				continue
			}
			if words[1] == "unlimited" {
				out[l[1]] = math.MaxUint64
			} else if n, err := strconv.ParseUint(words[1], 10, 64); err == nil {
				out[l[1]] = n
			}
		}
	}
	return out
}

var limitTitles = [...][2]string{
	{"Max cpu time", "cpu"}, {"Max file size", "fsize"}, {"Max data size", "data"}, {"Max stack size", "stack"},
	{"Max core file size", "core"}, {"Max resident set", "rss"}, {"Max processes", "nproc"}, {"Max open files", "nofile"},
	{"Max locked memory", "memlock"}, {"Max address space", "as"}, {"Max file locks", "locks"},
	{"Max pending signals", "sigpending"}, {"Max msgqueue size", "msgqueue"}, {"Max nice priority", "nice"},
	{"Max realtime priority", "rtprio"}, {"Max realtime timeout", "rttime"},
}

func oomScore(s *sight) (Cause, bool) {
	now := read(s.proc("self/oom_score_adj"))
	score, err := strconv.ParseInt(now, 10, 32)
	want := int64(s.op.Want) // a negative score, converted as it came
	if !s.is(unix.EACCES, unix.EPERM) || err != nil || want >= score {
		return Cause{}, false
	}
	return fill(OOMScore, []string{"LIMIT", now}, "/proc/self/oom_score_adj is "+now, "asked for "+strconv.FormatInt(want, 10)), true
}

// keyringQuota: EDQUOT from add_key or keyctl. /proc/key-users tells how many.
func keyringQuota(s *sight) (Cause, bool) {
	if !s.is(unix.EDQUOT) {
		return Cause{}, false
	}
	used, most, found := parseKeyUsers(read(s.proc("key-users")), s.self.UID)
	const name = "kernel.keys.maxkeys"
	max := s.sysctl(name)
	if !found || max == "" {
		return Cause{}, false
	}
	limit := "2000"
	if n, err := strconv.ParseUint(max, 10, 31); err == nil && n > 0 {
		limit = strconv.FormatUint(n*10, 10)
	}
	return fill(KeyringQuota, []string{"LIMIT", limit},
		fmt.Sprintf("%d of %d keys of uid %d are used (/proc/key-users)", used, most, s.self.UID), seen(name, max)), true
}

// parseKeyUsers reads a line of /proc/key-users, proc_key-users(5):
// "uid: usage nkeys/nikeys qnkeys/maxkeys qnbytes/maxbytes".
func parseKeyUsers(text string, uid uint32) (used, most uint64, found bool) {
	for line := range strings.Lines(text) {
		owner, rest, _ := strings.Cut(line, ":")
		words := strings.Fields(rest)
		if strings.TrimSpace(owner) != strconv.FormatUint(uint64(uid), 10) || len(words) < 3 {
			continue
		}
		a, b, _ := strings.Cut(words[2], "/")
		used, err := strconv.ParseUint(a, 10, 64)
		most, err2 := strconv.ParseUint(b, 10, 64)
		return used, most, err == nil && err2 == nil
	}
	return 0, 0, false
}
