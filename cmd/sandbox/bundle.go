package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"sandbox/pkg/console"
	"sandbox/pkg/handle"
	"sandbox/pkg/lifecycle"
	"sandbox/pkg/outfile"
	"sandbox/pkg/spec"
)

// bundleFlags are those of create and of run with a bundle, runc's.
type bundleFlags struct {
	bundle, pidFile, consoleSocket     string
	pidfdSocket                        string
	preserveFds                        int
	noPivot, noNewKeyring, noSubreaper bool
	report, limits                     string
	require                            []string
}

func (b *bundleFlags) add(f *pflag.FlagSet) {
	f.StringVarP(&b.bundle, "bundle", "b", "", "`DIR` with config.json (default: the current directory)")
	f.StringVar(&b.pidFile, "pid-file", "", "write the container's process id to `FILE`")
	f.StringVar(&b.consoleSocket, "console-socket", "", "send the terminal's master to the unix `SOCKET`")
	f.StringVar(&b.pidfdSocket, "pidfd-socket", "", pidfdUsage)
	f.IntVar(&b.preserveFds, "preserve-fds", 0, "pass `N` file descriptors from 3 on")
	f.BoolVar(&b.noPivot, "no-pivot", false, "change the root without pivot_root, for a root on a ramdisk")
	f.BoolVar(&b.noNewKeyring, "no-new-keyring", false, "leave the caller's session keyring")
	f.BoolVar(&b.noSubreaper, "no-subreaper", false, "accepted for runc's callers")
	_ = f.MarkHidden("no-subreaper")
	f.StringVar(&b.report, "report", "", "write what was granted, degraded or refused to `FILE`, as JSON")
	f.Var(words(&b.require), "require", "fail unless these `FEATURES` are granted")
	f.StringVar(&b.limits, "limits", "", "a limit that cannot be enforced: `MODE` enforce ends the start (the default), best-effort only says so")
}

// options are what the flags and the bundle say, not validated.
func (b *bundleFlags) options(r *lifecycle.Runtime, id string) (lifecycle.Options, error) {
	o := b.common(id)
	if err := validLimits(o.Limits, 1); err != nil {
		return o, err
	}
	dir, err := filepath.Abs(b.bundle)
	if err != nil {
		return o, err
	}
	o.Bundle, o.Paths = dir, handle.Set{}
	if err := spec.ValidID(id); err != nil {
		return o, err
	}
	who := spec.Caller{UID: r.Caller.UID, Home: os.Getenv("HOME"), Env: os.Environ(), Paths: o.Paths, Began: spec.Began, Nested: !r.Self.InitialUserns()}
	if here, err := handle.Cwd(); err == nil {
		who.Cwd, who.Dir = here.Path, here
		o.Paths.Keep(here)
	}
	in, err := spec.OpenBundle(who, cmp.Or(b.bundle, "."))
	if err != nil {
		return o, spec.NoBundle(dir, err)
	}
	o.Paths.Add(dir, in).Path = dir // by the name that the shell has for it
	if o.Spec, err = spec.LoadFrom(in); err != nil {
		return o, err
	}
	if o.Spec.Process == nil || o.Spec.Root == nil {
		return o, spec.ValidateIn(o.Paths, o.Spec, dir) // says which
	}
	root, _ := spec.OpenRoot(o.Paths, o.Spec, dir) // what is wrong with it, the validation says
	spec.SetHome(o.Spec.Process, root)
	return o, nil
}

func (b *bundleFlags) common(id string) lifecycle.Options {
	return lifecycle.Options{
		ID: id, PidFile: b.pidFile, PreserveFds: b.preserveFds, NoPivot: b.noPivot, NoNewKeyring: b.noNewKeyring, Require: b.require,
		Limits: b.limits,
	}
}

// dial connects the console socket where there is one, and refuses a terminal
// that nobody would hold.
func (b *bundleFlags) dial(o *lifecycle.Options, detached bool) error {
	var err error
	if o.PidfdSocket, err = dialPidfd(b.pidfdSocket); err != nil {
		return err
	}
	switch {
	case b.consoleSocket != "" && !o.Spec.Process.Terminal:
		return fmt.Errorf("--console-socket: process.terminal is false, so there is no terminal to send")
	case b.consoleSocket != "":
		f, err := console.Dial(b.consoleSocket)
		if err != nil {
			return err
		}
		o.Console = f
	case o.Spec.Process.Terminal && detached:
		return fmt.Errorf("process.terminal is true: nobody would hold the terminal without --console-socket")
	}
	return nil
}

// report is the file of --report. Its place is found before there is a container: a
// name that cannot be written is known then.
type report struct{ f *outfile.File }

func openReport(path string) (*report, error) {
	r := &report{}
	if path == "" {
		return r, nil
	}
	var err error
	if r.f, err = outfile.Open(path); err != nil {
		return nil, fmt.Errorf("--report: %w", err)
	}
	return r, nil
}

// write writes the contract.
func (r *report) write(c *lifecycle.Container) error {
	if r.f == nil {
		return nil
	}
	b, err := indent(c.Contract.Every())
	if err == nil {
		err = r.f.Write(b, 0o644)
	}
	if err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	return nil
}

func (r *report) close() {
	if r.f != nil {
		r.f.Close()
	}
}
