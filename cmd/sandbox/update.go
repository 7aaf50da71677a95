package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sandbox/pkg/spec"
)

// updateFlags are runc's.
type updateFlags struct {
	spec.Limits
	resources, l3Cache, memBw string
}

const updateLong = `Change the limits of a running container. What is not given stays.

-r reads the resources of the runtime-spec as JSON, from a file or with - from
standard input; the other flags are then ignored.`

func (a *app) update(cmd *cobra.Command) {
	var u updateFlags
	cmd.Long = updateLong
	cmd.Example = "  sandbox update --memory 256m --pids-limit 100 web\n  echo '{\"cpu\":{\"shares\":512}}' | sandbox update -r - web"
	cmd.Args = exactly(1)
	f := cmd.Flags()
	common(f, &u.Limits)
	f.StringVarP(&u.resources, "resources", "r", "", "read them from `FILE`, as JSON; - is standard input")
	f.StringVar(&u.Memory, "memory", "", "most memory, `SIZE` such as 64m; -1 for no limit")
	f.StringVar(&u.CPUs, "cpus", "", "most processor time, `NUMBER` of processors such as 0.5")
	f.StringVar(&u.CPUShares, "cpu-share", "", "share of processor time beside others, `N` (1024 is usual)")
	f.StringVar(&u.CPUShares, "cpu-shares", "", "the same")
	f.StringVar(&u.CPUBurst, "cpu-burst", "", "time that may be saved for later periods, `MICROSECONDS`")
	f.StringVar(&u.CPUIdle, "cpu-idle", "", "1: run only when nobody else wants to")
	f.StringVar(&u.RealtimePeriod, "cpu-rt-period", "", "of cgroup v1")
	f.StringVar(&u.RealtimeRuntime, "cpu-rt-runtime", "", "of cgroup v1")
	f.StringVar(&u.KernelMemory, "kernel-memory", "", "of cgroup v1")
	f.StringVar(&u.KernelMemoryTCP, "kernel-memory-tcp", "", "of cgroup v1")
	f.StringVar(&u.l3Cache, "l3-cache-schema", "", "what it may use of the level 3 cache, `L3:ID=MASK;...`")
	f.StringVar(&u.memBw, "mem-bw-schema", "", "what it may use of the memory bandwidth, `MB:ID=SHARE;...`")
	for _, name := range []string{"cpu-shares", "cpu-rt-period", "cpu-rt-runtime", "kernel-memory", "kernel-memory-tcp"} {
		_ = f.MarkHidden(name)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().NFlag() == 0 {
			return &usageError{errors.New("nothing to change: give a limit, or -r FILE"), 1}
		}
		a.human = true // as runc, which tells of what is without effect
		r, err := a.runtime()
		if err != nil {
			return err
		}
		change, err := u.change()
		if err != nil {
			return err
		}
		if lines := u.schemata(); len(lines) > 0 {
			if err := r.UpdateShare(args[0], lines); err != nil || !u.limits(cmd) {
				return err
			}
		}
		return r.Update(args[0], change)
	}
}

// schemata are the lines for the file of that name.
func (u *updateFlags) schemata() []string {
	return slices.DeleteFunc([]string{u.l3Cache, u.memBw}, func(line string) bool { return line == "" })
}

// limits says whether anything else is to change.
func (u *updateFlags) limits(cmd *cobra.Command) bool {
	n := cmd.Flags().NFlag()
	for _, name := range []string{"l3-cache-schema", "mem-bw-schema"} {
		if cmd.Flags().Changed(name) {
			n--
		}
	}
	return n > 0
}

// resourcesLimit is far above any resources.
const resourcesLimit = 1 << 20

func (u *updateFlags) change() (*specs.LinuxResources, error) {
	r := &specs.LinuxResources{}
	if u.resources == "" {
		_, _, err := u.Add(r)
		if p := r.Pids; p != nil && u.PidsLimit == "0" {
			p.Limit = new(int64(1)) // runc's, where 0 is the least; run has podman's, where it is no limit
		}
		return r, err
	}
	if err := readResources(u.resources, r); err != nil {
		return nil, fmt.Errorf("--resources: %w", err)
	}
	return r, nil
}

// readResources reads a file, or standard input for -.
func readResources(path string, r *specs.LinuxResources) error {
	in := os.Stdin
	if path != "-" {
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO that nobody writes to has nothing
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, resourcesLimit))
	if err != nil {
		return err
	}
	return spec.Decode(b, r)
}

func errUnknownMode(flag, value, want string) error {
	return fmt.Errorf("%s %q: want %s", flag, value, want)
}
