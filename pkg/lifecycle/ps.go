package lifecycle

import (
	"os"
	"slices"
	"strconv"

	"sandbox/pkg/proc"
	"sandbox/pkg/state"
)

// running opens a container that runs, or is created.
func (r *Runtime) running(id string) (*state.Dir, *state.Record, error) {
	d, rec, err := r.Root.Find(id)
	if err == nil && !rec.Alive() {
		d.Close()
		return nil, nil, ErrNotRunning
	}
	return d, rec, err
}

// Ps lists the container's processes by their pids as seen from here. One that has
// ended has none, or what its first process has left in its group.
func (r *Runtime) Ps(id string) ([]int, error) {
	d, rec, err := r.Root.Find(id)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if r.hasGroup(d, rec) {
		pids, err := r.Groups.Group(rec.Cgroup.Path).Procs()
		pids = slices.DeleteFunc(pids, func(pid int) bool { return pid == rec.Init })
		slices.Sort(pids)
		return pids, err
	}
	if rec.Ended() {
		return nil, nil
	}
	return processes(rec)
}

// processes are those in the container's pid namespace but for its init, or the first one and
// its descendants where it has none of its own.
func processes(r *state.Record) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	ours := func(int) bool { return false }
	if r.OwnPID {
		ns, err := os.Readlink(proc.Dir(r.Pid) + "/ns/pid")
		if err != nil && r.Init != 0 { // which an ordinary user may not look into
			ns, err = os.Readlink(proc.Dir(r.Init) + "/ns/pid")
		}
		if err != nil {
			return nil, ErrNotRunning
		}
		ours = func(pid int) bool {
			link, err := os.Readlink("/proc/" + itoa(pid) + "/ns/pid")
			return err == nil && link == ns && pid != r.Init
		}
	}
	pids := []int{}
	if r.Alive() {
		pids = append(pids, r.Pid)
	}
	parents := map[int]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == r.Pid {
			continue
		}
		if ours(pid) {
			pids = append(pids, pid)
		} else if !r.OwnPID {
			parents[pid] = parentOf(pid)
		}
	}
	pids = append(pids, descendants(r.Pid, parents)...)
	slices.Sort(pids)
	return pids, nil
}

func descendants(root int, parents map[int]int) []int {
	var list []int
	for pid, parent := range parents {
		if parent == root {
			list = append(list, pid)
			delete(parents, pid)
		}
	}
	for _, pid := range slices.Clone(list) {
		list = append(list, descendants(pid, parents)...)
	}
	return list
}

// parentOf is the parent of a process, 0 when it is gone.
func parentOf(pid int) int {
	s, err := proc.Look(pid)
	if err != nil {
		return 0
	}
	return s.Parent
}
