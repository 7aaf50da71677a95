package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"sandbox/pkg/image"
	"sandbox/pkg/kernel"
	"sandbox/pkg/lifecycle"
	"sandbox/pkg/spec"
)

// runFlags are those of run and plan, in all four forms.
type runFlags struct {
	bundleFlags
	limitFlags
	networkFlags
	wish                          spec.Wish
	name                          string
	detach, keep, rm, interactive bool
	init                          bool
	plans                         bool // nothing is made: no volume, no image pulled or copied
	own                           ownTerminal
	entrypoint                    string
	image, pull, platform         string
	made                          spec.Made
	held                          *holder
	layer                         layer
	volumes                       []*image.Volume
}

func (r *runFlags) add(f *pflag.FlagSet) {
	r.bundleFlags.add(f)
	r.limitFlags.add(f, &r.wish)
	r.networkFlags.add(f)
	w := &r.wish
	f.BoolVarP(&r.detach, "detach", "d", false, "run in the background and print the container's id")
	f.BoolVar(&r.keep, "keep", false, "keep the container when it has ended")
	f.BoolVar(&r.rm, "rm", false, "remove it when it has ended; without -d the default, with -d as soon as somebody lists containers or takes its name")
	f.StringVar(&r.name, "name", "", "`ID` of the container (default: random)")
	f.StringVar(&w.Rootfs, "rootfs", "", "root directory of the container, `DIR`")
	f.BoolVarP(&r.interactive, "interactive", "i", false, "standard input; always passed on (without -t: no terminal of its own)")
	f.BoolVarP(&w.Terminal, "tty", "t", false, "give it a terminal of its own (default when standard input and output are one; never with --bundle)")
	f.VarP(each(&w.Env), "env", "e", "set `NAME=VALUE`, or pass NAME on")
	f.Var(each(&w.EnvFiles), "env-file", "read environment variables from `FILE`")
	f.Var((*yesNo)(&w.EnvHost), "env-host", "your variables, but secrets: `yes or no` (default yes with --, else no)")
	f.Lookup("env-host").NoOptDefVal = "yes"
	f.Var(each(&w.EnvPass), "env-pass", "with --: which variables pass: `WHICH` all, none, default (no secrets), or names")
	f.StringVarP(&w.Workdir, "workdir", "w", "", "working directory `DIR` inside")
	f.StringVarP(&w.User, "user", "u", "", "`USER[:GROUP]` inside, names or numbers")
	f.VarP(each(&w.Volumes), "volume", "v", "bind `SRC[:DST][:OPTIONS]`, such as ~/x:ro; option O makes it copy-on-write")
	f.Var(each(&w.Mounts), "mount", "`type=bind|tmpfs,src=...,dst=...,...`")
	f.Var(each(&w.Tmpfs), "tmpfs", "mount a tmpfs at `DST[:OPTIONS]`")
	f.BoolVar(&w.ReadOnly, "read-only", false, "make the root read-only")
	f.BoolVar(&w.Cow, "cow", false, "make the writable directory copy-on-write: the real one stays as it is")
	f.Var(each(&w.Protect), "protect", "with --: make `PATH` of what is shared read-only, besides hooks and the like")
	f.Var(each(&w.NoProtect), "no-protect", "with --: leave `PATH` writable, or all")
	f.StringVar(&w.Hostname, "hostname", "", "`NAME` of the host inside")
	f.StringVar(&r.pull, "pull", "missing", "pull an image `WHEN` always, missing, newer or never")
	f.StringVar(&r.platform, "platform", "", "pull the image for `OS/ARCH[/VARIANT]`")
	f.Var(words(&w.CapAdd), "cap-add", "add `CAPABILITIES`")
	f.Var(words(&w.CapDrop), "cap-drop", "drop `CAPABILITIES`")
	f.Var(each(&w.Ulimits), "ulimit", "`NAME=SOFT[:HARD]`")
	f.BoolVar(&r.init, "init", false, "an init that reaps processes and lets signals end the command (default but with --bundle; --init=false makes the command process 1)")
	f.StringVar(&w.Userns, "userns", "", "user namespace: `MODE` auto, single, keep-id or host")
	f.StringVar(&w.UTS, "uts", "", "UTS namespace: `MODE` private, host or ns:PATH")
	f.StringVar(&w.IPC, "ipc", "", "IPC namespace: `MODE` private, host or ns:PATH")
	f.StringVar(&w.PID, "pid", "", "PID namespace: `MODE` private, host or ns:PATH")
	f.Var(each(&w.SecurityOpt), "security-opt", "`OPTION` such as no-new-privileges")
	f.BoolVar(&w.Nested, "nested", false, "let the command start sandboxes: the seccomp profile allows namespaces and mounts of its own (see docs/security.md)")
	f.StringVar(&r.entrypoint, "entrypoint", "", "`PROGRAM` that is put before the command")
	f.Var(each(&w.Annotations), "annotation", "add annotation `KEY=VALUE`")
	f.Var(each(&w.Devices), "device", "add device `SRC[:DST[:rwm]]`")
	f.StringVar(&w.Umask, "umask", "", "umask inside, octal")
	f.Var(words(&w.GroupAdd), "group-add", "add `GROUPS`, or keep-groups")
}

const runLong = `Run a command in a new container, in one of four forms.

  sandbox run [flags] -- CMD [ARG...]
      On this host's tree. You stay who you are. The host is read-only; the working
      directory is the real one and writable, but for hooks, .git/config and the like;
      the rest of your home is an empty throw-away directory; /tmp, /var/tmp and /run
      are private; secrets of your environment stay outside. -v adds paths.
  sandbox run [flags] IMAGE [CMD...]
      In an image of the store that podman and buildah share; it is pulled when it is missing.
  sandbox run [flags] ROOTFS [CMD...]
      In a directory tree (./DIR, /DIR, DIR/SUB or --rootfs DIR).
  sandbox run -b BUNDLE [flags] ID
      An OCI bundle, as runc does it. Inside a bundle directory: sandbox run ID.

At a terminal all but the last give the command one of its own, so that ^C, ^Z and
job control work in it. Standard error that goes elsewhere still does; with -t standard
error is the terminal too. A pipe or file on either side, -t=false and -i mean no terminal.

Signals are passed on to the command; before it runs, ^C and the like end its start.
The exit status is the command's, 128+n when signal n ended it; 125 when sandbox
failed, 126 when the command cannot be run, 127 when it is not found. With a
bundle these three are 1, as with runc.`

const runExample = `  sandbox run -- make test
  sandbox run --cow -- sh -c 'rm -rf *'
  sandbox run -v ~/.cache/go-build -v ~/go/pkg -- go build ./...
  sandbox run -e NPM_TOKEN --no-protect=.git/config -- npm publish
  sandbox run alpine sh
  sandbox run ./rootfs sh
  sandbox run -u 1000 --read-only --tmpfs /tmp ./rootfs id
  sandbox run -b ./bundle web`

func (a *app) run(cmd *cobra.Command) {
	var f runFlags
	cmd.Long, cmd.Example = runLong, runExample
	cmd.Flags().SetInterspersed(false)
	f.add(cmd.Flags())
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w (see 'sandbox run --help')", err), f.failed()}
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, o, err := a.prepare(cmd, &f, args)
		if err == nil {
			err = f.dial(&o, f.detach)
		}
		if err == nil {
			err = a.launch(r, &f, o)
		}
		f.leaveVolumes(err != nil)
		return err
	}
}

// prepare turns what was typed into options, whichever form it is.
func (a *app) prepare(cmd *cobra.Command, f *runFlags, args []string) (*lifecycle.Runtime, lifecycle.Options, error) {
	var o lifecycle.Options
	form, args, err := f.form(cmd, args)
	if err != nil {
		return nil, o, err
	}
	if form == formUnsure {
		if form, args, err = a.settleForm(cmd, f, args); err != nil {
			return nil, o, err
		}
	}
	if cmd.Flags().Changed("entrypoint") { // an empty one clears it
		f.wish.Entrypoint = &f.entrypoint
	}
	a.human = form != formBundle
	if a.human {
		a.status = 125
	}
	if f.rm && f.keep {
		return nil, o, &usageError{errors.New("--rm and --keep say the opposite"), a.failed(1)}
	}
	r, err := a.runtime()
	if err == nil {
		err = r.Kernel.FilesLeft(form.files())
	}
	if err != nil {
		return nil, o, err
	}
	if form == formBundle {
		o, err = f.options(r, args[0])
	} else {
		if f.own = ownTerminalFor(cmd.Flags()); f.own.wanted {
			f.wish.Terminal = true
		}
		o, err = a.wished(r, f, form, args)
	}
	if err != nil {
		return nil, o, err
	}
	if cmd.Flags().Changed("init") {
		o.Init = f.init
	}
	return r, o, settle(&o, f.limit, f.joinOrMake(r, form == formBundle), activate, f.size)
}

// failed is the status of a command line that cannot be meant: 125 for a command, runc's 1 for a bundle.
func (f *runFlags) failed() int {
	if f.bundle != "" || saysBundle(os.Args[1:]) {
		return 1
	}
	return 125
}

type form int

const (
	formTree form = iota
	formRootfs
	formImage
	formUnsure // a bundle or an image, a directory or an image: what lies in the working directory may be a command's
	formBundle
)

// form finds out which of the forms was typed. Flags may also follow the id of a bundle's container (runc's callers write
// `run ID -b DIR`); behind a directory or an image all is the command's.
func (f *runFlags) form(cmd *cobra.Command, args []string) (form, []string, error) {
	fs := cmd.Flags()
	if fs.ArgsLenAtDash() == 0 {
		return f.formOf(args, true)
	}
	if fs.Changed("rootfs") {
		return formRootfs, args, nil
	}
	if len(args) > 1 && strings.HasPrefix(args[1], "-") && spec.ValidID(args[0]) == nil && (f.bundle != "" || saysBundle(args[1:]) || inBundle()) {
		first := args[0]
		if err := fs.Parse(args[1:]); err != nil {
			return 0, nil, &usageError{fmt.Errorf("%w (see 'sandbox run --help')", err), f.failed()}
		}
		args = append([]string{first}, fs.Args()...)
	}
	return f.formOf(args, false)
}

func (f *runFlags) formOf(args []string, dash bool) (form, []string, error) {
	usage := func(text string) error {
		return &usageError{fmt.Errorf("%s (see 'sandbox run --help')", text), f.failed()}
	}
	switch {
	case f.bundle != "" && len(args) == 1:
		return formBundle, args, nil
	case f.bundle != "":
		return 0, nil, &usageError{fmt.Errorf("--bundle takes one container id, not %d words", len(args)), 1}
	case f.wish.Rootfs != "":
		return formRootfs, args, nil
	case dash && len(args) > 0:
		return formTree, args, nil
	case len(args) == 0:
		return 0, nil, usage("nothing to run")
	case isPath(args[0]):
		f.wish.Rootfs = args[0]
		return formRootfs, args[1:], nil
	case len(args) == 1 && inBundle(), isDirectory(args[0]):
		return formUnsure, args, nil
	}
	f.image = args[0]
	return formImage, args[1:], nil
}

// isPath says whether a word can only be a path.
func isPath(word string) bool {
	for _, begin := range []string{"/", "./", "../"} {
		if strings.HasPrefix(word, begin) {
			return true
		}
	}
	return word == "." || word == ".."
}

// isDirectory says whether a word with a slash is a path that is there.
func isDirectory(word string) bool {
	_, err := os.Lstat(word)
	return strings.Contains(word, "/") && err == nil
}

// inBundle says whether the working directory is meant as a bundle: many programs have a config.json, without the key that every
// runtime asks for (config.md, "Specification version"). What is wrong with one is told when it is read.
func inBundle() bool {
	if _, err := os.Lstat(spec.ConfigName); err != nil {
		return false
	}
	f, err := os.OpenFile(spec.ConfigName, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return true
	}
	defer f.Close()
	const most = 8 << 20 // bytes, as of what is read later
	var config struct {
		Version json.RawMessage `json:"ociVersion"`
	}
	err = json.NewDecoder(io.LimitReader(f, most)).Decode(&config)
	return err != nil || config.Version != nil
}

// wished makes options of the flags of all forms but the bundle.
func (a *app) wished(r *lifecycle.Runtime, f *runFlags, form form, args []string) (lifecycle.Options, error) {
	o := f.common(f.name)
	var err error
	if o.ID == "" {
		if o.ID, err = randomID(); err != nil {
			return o, err
		}
	}
	w := &f.wish
	w.Tree, w.Args, w.Init = form == formTree, args, f.init
	w.Network = f.namespace()
	caller, err := a.whoTyped(r, f)
	if err != nil {
		return o, err
	}
	o.Paths = caller.Paths
	var unknown error
	r.Helpers.Shared = sharing(w, caller, &unknown)
	w.Volume = a.volumes(r, f)
	if f.publishAll && form != formImage {
		return o, &usageError{errors.New("--publish-all: only an image says which ports it exposes; --publish publishes one"), 125}
	}
	ids, contract, err := r.ChooseIDs(w.Userns, w.Tree)
	if err = cmp.Or(unknown, err); err != nil {
		return o, err
	}
	o.Contract = contract
	if form == formImage {
		store, err := a.imageStore(r)
		if err == nil {
			err = f.goFrom(r, store, ids, &o)
		}
		if err != nil {
			return o, err
		}
	}
	var notices []spec.Notice
	if o.Spec, notices, err = w.Spec(caller, ids); kernel.FilesRefused() {
		// What could not be looked at may be what is to be hidden.
		err = fmt.Errorf("look at what is to be shared and what is to be hidden: %w", unix.EMFILE)
	}
	if err != nil {
		return o, err
	}
	for _, n := range notices {
		a.tell(n.Text)
	}
	o.Bundle, o.Typed, o.Scoped = caller.Cwd, true, w.SharesHost()
	if w.Tree {
		o.Contract = append(o.Contract, doorGroups(r)...)
	}
	if f.own.wanted && !makesTerminals(o.Spec.Mounts) {
		f.own, o.Spec.Process.Terminal = ownTerminal{}, false
	}
	o.Init = true // else the command would be process 1, to which ^C and SIGTERM are nothing unless it asks for them
	f.goWith(&o)
	if kernel.FewFiles() {
		o.Paths.Shelve(o.Hidden)
		err = r.Kernel.FilesLeft(filesOfStart)
	}
	return o, err
}

// goWith adds what goes with a spec and has no place in it.
func (f *runFlags) goWith(o *lifecycle.Options) {
	o.Hidden, o.Dirs = f.made.Hidden, f.made.Dirs
	for _, f := range f.made.Files {
		o.Files = append(o.Files, lifecycle.File(f))
	}
	o.Before = func() { beforeCommand(f.made.Guards, o.Spec.Process.Args) }
	for _, g := range f.made.Guards {
		if n := g.Note(); n != nil {
			o.Guards = append(o.Guards, n)
		}
	}
}

// doorGroups tells, in the report, of groups that the command is in because its caller is.
func doorGroups(r *lifecycle.Runtime) (c kernel.Contract) {
	if !slices.ContainsFunc(r.Caller.Groups, func(g uint32) bool { return g != r.Caller.GID }) {
		return nil
	}
	text, _ := os.ReadFile("/etc/group")
	if names := spec.DoorGroups(r.Caller.Groups, text); len(names) > 0 {
		c = append(c, kernel.Outcome{Feature: kernel.FeatGroups, Result: kernel.Degraded, Lost: "the command is in " + strings.Join(names, ", ") + ", as you are (" + string(kernel.DoorGroup) + ")"})
	}
	return c
}

// absolute is a path of ours wherever we stand; one that cannot be had stays as it is.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

func randomID() (string, error) {
	var b [6]byte
	if _, err := unix.Getrandom(b[:], 0); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", b), nil
}
