package lifecycle

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/proc"
	"sandbox/pkg/state"
)

// counted is what is known of a container without a group of its own: what /proc says of its processes. Of those that
// have ended there is what they left to a parent that has waited for them. A page that several share counts for each.
func counted(rec *state.Record) (*Usage, error) {
	pids, err := processes(rec)
	if err != nil {
		return nil, err
	}
	s := &Usage{Hugetlb: map[string]cgroup2.HugetlbStat{}}
	s.Memory.Usage.Limit = math.MaxUint64
	for _, pid := range pids {
		b, err := proc.ReadFile(proc.Dir(pid) + "/stat")
		if err != nil {
			continue // it has ended meanwhile
		}
		s.Pids.Current++
		addProcess(s, b)
	}
	s.CPU.Usage.Total = s.CPU.Usage.User + s.CPU.Usage.Kernel
	return s, nil
}

// addProcess adds the numbers of a /proc/PID/stat (proc_pid_stat(5)): utime and cutime, stime and cstime, rss.
func addProcess(s *Usage, stat []byte) {
	const tick = uint64(time.Second) / 100 // USER_HZ
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	field := func(number int) uint64 {
		if number -= 3; number >= len(fields) { // the third is the first one behind the command's name
			return 0
		}
		n, err := strconv.ParseUint(fields[number], 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	s.CPU.Usage.User += (field(14) + field(16)) * tick
	s.CPU.Usage.Kernel += (field(15) + field(17)) * tick
	s.Memory.Usage.Usage += field(24) * uint64(os.Getpagesize())
}

// WhyNoGroup is the reason why what a container has used is only known of its processes; nil for one with a group.
func (r *Runtime) WhyNoGroup(id string) error {
	d, rec, err := r.Root.Find(id)
	if err != nil {
		return nil //nolint:nilerr // whoever asks has found it a moment ago
	}
	defer d.Close()
	_, err = r.group(rec)
	return err
}

// changesNothing says whether a change of the limits asks for what a container without a group has already: no limit.
// Docker sends one of zeros when it is told of another restart policy.
func changesNothing(change *specs.LinuxResources) (bool, error) {
	writes, err := cgroup2.Writes(cgroup2.Merge(nil, change))
	if err != nil {
		return false, err
	}
	asks := func(w cgroup2.Write) bool {
		usual := w.Value == "0" && (w.File == "cpu.idle" || w.File == "cpu.max.burst")
		return !w.Unlimited() && !usual
	}
	return len(change.Unified) == 0 && !slices.ContainsFunc(writes, asks), nil
}

// look is a container that lives, and its group; without one the group is nil.
func (r *Runtime) look(id string) (*state.Record, *cgroup2.Group, error) {
	d, rec, err := r.Root.Find(id)
	if err != nil {
		return nil, nil, err
	}
	d.Close()
	if !rec.Alive() {
		return nil, nil, fmt.Errorf("container with id %s is not running: %w", id, ErrNotRunning)
	}
	if !rec.Cgroup.Owned {
		return rec, nil, nil
	}
	g := r.Groups.Group(rec.Cgroup.Path)
	return rec, &g, nil
}

// usage reads the group, or counts.
func usage(rec *state.Record, g *cgroup2.Group) (*Usage, error) {
	if g == nil {
		return counted(rec)
	}
	return g.Stats()
}
