package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sandbox/pkg/console"
	"sandbox/pkg/handle"
	"sandbox/pkg/lifecycle"
	"sandbox/pkg/spec"
)

// execFlags are runc's.
type execFlags struct {
	process, pidFile, consoleSocket, cwd, user string
	apparmor, label, cgroup, pidfdSocket       string
	env, caps, gids                            []string
	tty, detach, noNewPrivs, ignorePaused      bool
	own                                        ownTerminal
	noSubreaper                                bool
	preserveFds                                int
}

func (e *execFlags) add(f *pflag.FlagSet) {
	f.StringVarP(&e.process, "process", "p", "", "read the process from `FILE`, an OCI process object")
	f.BoolVarP(&e.detach, "detach", "d", false, "do not wait for it")
	f.BoolVarP(&e.tty, "tty", "t", false, "give it a terminal of its own (default when standard input and output are one; never with --process)")
	f.BoolP("interactive", "i", false, "standard input; always passed on (without -t: no terminal of its own)")
	f.StringVar(&e.pidFile, "pid-file", "", "write its process id to `FILE`")
	f.StringVar(&e.consoleSocket, "console-socket", "", "send the terminal's master to the unix `SOCKET`")
	f.StringVar(&e.pidfdSocket, "pidfd-socket", "", pidfdUsage)
	f.StringVar(&e.cwd, "cwd", "", "working directory `DIR`")
	f.StringVarP(&e.user, "user", "u", "", "`UID[:GID]`")
	f.VarP(each(&e.env), "env", "e", "set `NAME=VALUE`")
	f.VarP(each(&e.caps), "cap", "c", "add `CAPABILITY`")
	f.VarP(each(&e.gids), "additional-gids", "g", "add group `GID`")
	f.BoolVar(&e.noNewPrivs, "no-new-privs", false, "forbid new privileges")
	f.IntVar(&e.preserveFds, "preserve-fds", 0, "pass `N` file descriptors from 3 on")
	f.BoolVar(&e.ignorePaused, "ignore-paused", false, "also in a paused container")
	f.StringVar(&e.apparmor, "apparmor", "", "AppArmor `PROFILE`")
	f.StringVar(&e.label, "process-label", "", "SELinux `LABEL`")
	f.StringVar(&e.cgroup, "cgroup", "", "sub-`CGROUP` to run in")
	f.BoolVar(&e.noSubreaper, "no-subreaper", false, "accepted for runc's callers")
	_ = f.MarkHidden("no-subreaper")
}

func (a *app) exec(cmd *cobra.Command) {
	var e execFlags
	cmd.Long = `Run a command in a running container. Everything after ID is the command.
At a terminal it has one of its own, as with "sandbox run".
The exit status is the command's; 255 when it could not be run.`
	cmd.Example = "  sandbox exec web ps\n  sandbox exec web sh\n  sandbox exec -d --pid-file pid -p process.json web"
	cmd.Flags().SetInterspersed(false)
	e.add(cmd.Flags())
	if a.verb == "exec" { // it is built for the help and others too
		a.status = 255
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 || len(args) == 1 && e.process == "" {
			return &usageError{fmt.Errorf("\"exec\" takes a container and a command: %s", cmd.UseLine()), 255}
		}
		r, err := a.runtime()
		if err == nil {
			err = r.Kernel.FilesLeft(filesOfExec)
		}
		if err != nil {
			return err
		}
		if e.process == "" {
			e.own = ownTerminalFor(cmd.Flags())
		}
		t := &foreground{job: e.process == ""}
		defer t.close()
		o, err := a.execOptions(&e, args[1:], t)
		if err != nil {
			return err
		}
		if e.detach {
			r.Signals, err = lifecycle.CatchEndings()
		} else {
			r.Signals, err = lifecycle.CatchSignals(false)
		}
		if err != nil {
			return err
		}
		c, err := r.Exec(args[0], o)
		if err != nil || e.detach {
			return err
		}
		a.exit, err = t.wait(c, r.Signals)
		return err
	}
}

// execOptions are what was typed. The process is described when its container is known.
func (a *app) execOptions(e *execFlags, args []string, t *foreground) (lifecycle.ExecOptions, error) {
	o := lifecycle.ExecOptions{PidFile: e.pidFile, PreserveFds: e.preserveFds, Attached: !e.detach, Group: e.cgroup, IgnorePaused: e.ignorePaused}
	o.Process = func(container *specs.Process, root string) (*specs.Process, lifecycle.TTY, error) {
		p, err := a.described(e, container, root, args)
		if err != nil {
			return nil, lifecycle.TTY{}, err
		}
		if !e.detach {
			if err := leaveTerminal(p); err != nil {
				return nil, lifecycle.TTY{}, err
			}
		}
		tty, err := e.terminal(p, t)
		return p, tty, err
	}
	var err error
	o.PidfdSocket, err = dialPidfd(e.pidfdSocket)
	return o, err
}

// described is the whole process, validated.
func (a *app) described(e *execFlags, container *specs.Process, root string, args []string) (*specs.Process, error) {
	dir, _ := handle.Open(root) // a root that cannot be looked at has no passwd file for us
	if dir != nil {
		defer dir.Close()
	}
	p, err := e.describe(container, dir, args)
	if err != nil {
		return nil, err
	}
	unknown := spec.UnknownCapabilities(p.Capabilities)
	spec.Inherit(p, container)
	spec.SetHome(p, dir)
	if p.Terminal && !e.detach && e.consoleSocket == "" && p.ConsoleSize == nil {
		p.ConsoleSize = terminalSize()
	}
	if err := spec.ValidateProcess(p, nil); err != nil {
		return nil, err
	}
	if len(unknown) > 0 {
		a.warn("unknown capabilities are ignored: " + strings.Join(unknown, " "))
	}
	return p, nil
}

// terminal is the socket that gets the master, where the process wants one.
func (e *execFlags) terminal(p *specs.Process, t *foreground) (tty lifecycle.TTY, err error) {
	switch {
	case !p.Terminal:
		return tty, nil
	case e.consoleSocket != "":
		t.dialed, err = console.Dial(e.consoleSocket)
		return lifecycle.TTY{Console: t.dialed}, err
	case e.detach:
		return tty, fmt.Errorf("--tty: nobody would hold the terminal without --console-socket")
	}
	tty, err = t.openTerminal()
	tty.Errors = p.Terminal && !e.tty && e.own.errors
	return tty, err
}

// describe is the process: the file's, or the container's own with what the
// flags change.
func (e *execFlags) describe(container *specs.Process, root *handle.Handle, args []string) (*specs.Process, error) {
	if e.process != "" {
		p, err := spec.LoadProcess(e.process)
		if err == nil && e.tty {
			p.Terminal = true
		}
		return p, err
	}
	p := *container
	p.Args, p.Terminal = args, e.tty || e.own.wanted && root != nil && canTerminal(root)
	if err := e.ids(&p); err != nil {
		return nil, err
	}
	if p.User.UID != container.User.UID {
		spec.ForgetHome(&p, container.User.UID, root)
	}
	p.Env = spec.LastWins(append(slices.Clone(p.Env), e.env...))
	if e.cwd != "" {
		p.Cwd = e.cwd
	}
	p.NoNewPrivileges = p.NoNewPrivileges || e.noNewPrivs
	if e.apparmor != "" {
		p.ApparmorProfile = e.apparmor
	}
	if e.label != "" {
		p.SelinuxLabel = e.label
	}
	if len(e.caps) > 0 {
		p.Capabilities = withCaps(container.Capabilities, e.caps)
	}
	return &p, nil
}

func (e *execFlags) ids(p *specs.Process) error {
	if e.user != "" {
		uid, gid, both := strings.Cut(e.user, ":")
		if !both {
			gid = strconv.FormatUint(uint64(p.User.GID), 10)
		}
		u, err := strconv.ParseUint(uid, 10, 32)
		g, err2 := strconv.ParseUint(gid, 10, 32)
		if err != nil || err2 != nil {
			return fmt.Errorf("--user %q: a number, or two with a colon", e.user)
		}
		p.User.UID, p.User.GID = uint32(u), uint32(g)
	}
	for _, s := range e.gids {
		g, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return fmt.Errorf("--additional-gids %q: a number", s)
		}
		p.User.AdditionalGids = append(slices.Clone(p.User.AdditionalGids), uint32(g))
	}
	return nil
}

// withCaps adds capabilities to the sets that count at exec, as runc does: to the ambient ones only where the container has
// some that are inheritable, as those have to be.
func withCaps(base *specs.LinuxCapabilities, caps []string) *specs.LinuxCapabilities {
	c := specs.LinuxCapabilities{}
	if base != nil {
		c = *base
	}
	for _, set := range []*[]string{&c.Bounding, &c.Effective, &c.Permitted} {
		*set = append(slices.Clone(*set), caps...)
	}
	if c.Inheritable != nil {
		c.Ambient = append(slices.Clone(c.Ambient), caps...)
	}
	return &c
}
