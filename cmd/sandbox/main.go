// The runtime need not read our group's processor limit, nor look at it again
// every second: a start uses two threads. (It finds the group out all the same.)
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sandbox/pkg/image"
	"sandbox/pkg/lifecycle"
	"sandbox/pkg/network"
)

// The collector is left as it is: a start allocates 2 MiB, it first runs at 4,
// and to turn it off stops the world, which costs more than it saves.
func main() { os.Exit(execute(os.Args[1:])) }

func execute(args []string) int {
	if asksVersion(args) {
		args = []string{"version"}
	}
	// What we make is ours to use, whatever the umask takes from others.
	unix.Umask(unix.Umask(0o077) &^ 0o700)
	app := &app{exe: findOriginal(os.Getenv(exeVariable)), verb: verbOf(args)}
	os.Unsetenv(exeVariable)
	if len(args) == 1 {
		switch args[0] {
		case network.Arg:
			return holdNetwork(network.Serve)
		case network.PortsArg:
			return holdNetwork(network.ServePorts)
		case lifecycle.WipeArg:
			if lifecycle.WipeHere() != nil {
				return 1
			}
			return 0
		}
	}
	if app.is(sealed) {
		if err := scarce(); err != nil {
			app.log, app.logFormat = logOf(args)
			app.report(err)
			return app.ownStatus(args)
		}
		if err := seal(); err != nil {
			app.report(err)
			return 1
		}
	}
	asked := app.verb
	if i := verbAt(args); asked == "help" && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
		asked = args[i+1] // what help is asked for
	}
	if err := app.known(asked, args); err != nil {
		app.log, app.logFormat = logOf(args)
		app.report(err)
		return 3 // runc's
	}
	if app.is(podmans) {
		app.status = podmanFailed
	}
	root := app.command(app.verb)
	root.SetArgs(longFlags(args))
	err := filtered(limited(root.Execute()))
	if err == nil {
		app.logWarnings()
		return app.exit
	}
	app.report(err)
	var usage *usageError
	if errors.As(err, &usage) {
		return app.failed(usage.status)
	}
	if status := lifecycle.Interrupted(err); status != 0 {
		return status
	}
	return app.failed(1)
}

// podmanFailed is the status with which podman says that it has failed itself.
const podmanFailed = 125

// app is one invocation.
type app struct {
	root, log, logFormat, cgroupManager, mode, criu string
	debug, systemdCgroup                            bool
	helpers                                         programs

	store    *image.Store
	verb     string
	all      []verb   // see verbs
	warnings []string // for the log

	exe    original // this program, when we are a copy of it
	exit   int      // status of a payload that ran
	status int      // status of our own failures, where a command has its own; 0 is the caller's
	human  bool
}

// ownStatus is the status of a failure of ours before flags are parsed.
func (a *app) ownStatus(args []string) int {
	switch {
	case a.verb == "exec":
		return 255
	case a.verb == "run" && !saysBundle(args):
		return 125
	}
	return 1
}

func (a *app) failed(status int) int {
	if a.status != 0 {
		return a.status
	}
	return status
}

// runtime is the lifecycle with this invocation's global flags.
func (a *app) runtime() (*lifecycle.Runtime, error) {
	switch a.mode {
	case "true", "false", "auto":
	default:
		return nil, &usageError{fmt.Errorf("invalid --rootless value %q: true, false or auto", a.mode), 1}
	}
	if a.logFormat != "text" && a.logFormat != "json" {
		return nil, &usageError{fmt.Errorf("invalid --log-format %q: text or json", a.logFormat), 1}
	}
	r, err := lifecycle.New(a.root)
	if err != nil {
		return nil, err
	}
	if a.systemdCgroup && a.cgroupManager == "" {
		a.cgroupManager = "systemd"
	}
	r.Tell = a.tell
	if a.debug {
		r.Debug = a.debugLine
		a.introduce(r)
	}
	r.Warn, r.Kernel.Exe, r.CgroupManager = a.warn, a.exe.path, a.cgroupManager
	r.Layers, r.LetGo = a.ofImages(r)
	r.Helpers.Given, r.Helpers.Exe = a.helpers, a.exe.path
	if r.Notice != nil {
		r.Warn(r.Notice.String())
	}
	return r, nil
}

// usageError is something typed that cannot be meant.
type usageError struct {
	error
	status int
}

func (e *usageError) Unwrap() error { return e.error }

// command is the command line. Only the command that was typed gets its flags:
// making all of them would be a tenth of a start.
func (a *app) command(verb string) *cobra.Command {
	root := &cobra.Command{
		Use:   "sandbox",
		Short: "Run commands and OCI containers without root",
		Long: `Run commands and OCI containers without root.

  sandbox run -- make test        a command of yours on this host's tree, which it cannot change
  sandbox run ./rootfs sh         a command in a directory tree
  sandbox run -b BUNDLE ID        an OCI bundle; with create, start, state, kill, delete: runc's commands

"source <(sandbox completion bash)" has a shell complete commands, ids, modes and codes; zsh and fish can too.`,
		SilenceErrors: true, SilenceUsage: true, TraverseChildren: true, SuggestionsMinimumDistance: 2,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	// For the help only. Cobra's own, with a text of ours, brings text/template, for
	// which the linker keeps every method of every type, a sixth of the program.
	root.Flags().BoolP("version", "v", false, "print the version")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.CompletionOptions.DisableDefaultCmd = verb != "completion"
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w (see '%s --help')", err, cmd.CommandPath()), 1}
	})
	f := root.PersistentFlags()
	f.StringVar(&a.root, "root", "", "`DIR` of all containers' state (default $XDG_RUNTIME_DIR/sandbox, for root /run/sandbox)")
	f.StringVar(&a.log, "log", "", "also append errors and warnings to `FILE`, and what --debug says only there")
	f.StringVar(&a.logFormat, "log-format", "text", "how: text or json")
	f.BoolVar(&a.debug, "debug", false, "say what is done, in lines with level=debug")
	f.BoolVar(&a.systemdCgroup, "systemd-cgroup", false, "the same as --cgroup-manager=systemd")
	f.StringVar(&a.cgroupManager, "cgroup-manager", "", "`WHO` makes a container's cgroup: systemd, cgroupfs or disabled (default: what works here)")
	f.Var(&a.helpers, "helper", "run this program for sandbox: `NAME=PATH`, such as slirp4netns=/opt/bin/slirp4netns")
	f.StringVar(&a.mode, "rootless", "auto", "accepted for runc's callers: true, false or auto")
	f.StringVar(&a.criu, "criu", "", "accepted for runc's callers")
	for _, name := range []string{"systemd-cgroup", "rootless", "criu"} {
		_ = f.MarkHidden(name)
	}
	root.SetHelpFunc(help)
	if strings.HasPrefix(verb, "__") {
		a.complete(root, "")
	}
	one := !strings.HasPrefix(verb, "__") && a.find(verb) != nil // and the others are not looked at: each is memory that a start would touch
	for _, c := range a.verbs() {
		if one && !c.called(verb) {
			continue
		}
		cmd := &cobra.Command{Use: c.use, Short: c.short}
		if c.alias != "" {
			cmd.Aliases = []string{c.alias}
		}
		if one || verb == "" || verb == "help" || strings.HasPrefix(verb, "__") {
			c.build(cmd)
		}
		if strings.HasPrefix(verb, "__") {
			a.complete(cmd, c.name())
		}
		root.AddCommand(cmd)
	}
	return root
}

// verb is one command before it is built.
type verb struct {
	use, short string
	build      func(*cobra.Command)
	traits     trait
	alias      string
}

// trait is what has to be known of a command before its flags are.
type trait uint8

const (
	sealed  trait = 1 << iota // it starts a process in a container, which may look at the program of ours that it comes from
	loud                      // nobody reads its standard error when all goes well
	podmans                   // podman has it and runc has not: every failure of ours has podman's status
)

func (v *verb) name() string {
	name, _, _ := strings.Cut(v.use, " ")
	return name
}

func (v *verb) called(name string) bool { return name == v.name() || name == v.alias && name != "" }

// find is the command of a name, nil for none.
func (a *app) find(name string) *verb {
	for _, v := range a.verbs() {
		if v.called(name) {
			return &v
		}
	}
	return nil
}

// is says whether the command that was typed has a trait.
func (a *app) is(t trait) bool {
	v := a.find(a.verb)
	return v != nil && v.traits&t != 0
}

// verbs are all commands, in the order of the help.
func (a *app) verbs() []verb {
	if a.all == nil {
		a.all = a.makeVerbs()
	}
	return a.all
}

func (a *app) makeVerbs() []verb {
	return []verb{
		{"run [flags] -- CMD [ARG...] | ROOTFS [CMD...] | -b BUNDLE ID", "Run a command in a new container", a.run, sealed, ""},
		{"create [flags] ID", "Create a container from a bundle; start runs it", a.create, sealed, ""},
		{"start ID", "Start a created container", a.start, sealed | loud, ""},
		{"state ID", "Print the state of a container", a.state, 0, ""},
		{"exec [flags] ID CMD [ARG...]", "Run a command in a running container", a.exec, sealed, ""},
		{"kill [flags] ID [SIGNAL]", "Send a signal to a container (default TERM)", a.kill, loud, ""},
		{"delete [flags] ID", "Delete a container", a.delete, loud, "rm"},
		{"pause ID", "Stop all processes of a container for a while", a.pause, loud, ""},
		{"resume ID", "Let a paused container go on", a.resume, loud, ""},
		{"update [flags] ID", "Change the limits of a running container", a.update, loud, ""},
		{"events [flags] ID", "Print a container's use of resources, and when it runs out of memory, as JSON", a.events, 0, ""},
		{"stats [flags] [ID...]", "Show what containers use, live", a.stats, 0, ""},
		{"port ID | port add ID PORT... | port rm ID HOSTPORT...", "List, publish or withdraw a container's ports", a.port, 0, ""},
		{"list [flags]", "List containers", a.list, 0, "ls"},
		{"ps [flags] ID [ps options]", "List the processes of a container", a.ps, 0, ""},
		{"images [flags] [IMAGE]", "List the images of the store that podman and buildah share", a.images, podmans, ""},
		{"pull [flags] IMAGE...", "Pull images from a registry or a file into the store", a.byHelper, podmans, ""},
		{"load [flags]", "Load images from an archive of docker or podman save", a.byHelper, podmans, ""},
		{"import [flags] FILE|- [NAME]", "Make an image of a tar archive with a root", a.byHelper, podmans, ""},
		{"save [flags] IMAGE...", "Save images to an archive", a.byHelper, podmans, ""},
		{"push [flags] IMAGE [DESTINATION]", "Push an image to a registry", a.byHelper, podmans, ""},
		{"login [flags] REGISTRY", "Log in to a registry", a.byHelper, podmans, ""},
		{"logout [flags] [REGISTRY]", "Log out of a registry", a.byHelper, podmans, ""},
		{"commit [flags] ID [IMAGE]", "Make an image of a container and what it has changed", a.commit, loud | podmans, ""},
		{"diff [flags] ID|IMAGE", "List what a container has changed of its image, or an image's last layer", a.diff, podmans, ""},
		{"export [flags] ID", "Write the root of a container as a tar archive", a.export, podmans, ""},
		{"rmi [flags] IMAGE...", "Remove images", a.byHelper, podmans, ""},
		{"image COMMAND", "The same commands as podman groups them, and image prune", a.imageGroup, podmans, ""},
		{"tag IMAGE NAME...", "Give an image more names", a.byHelper, podmans, ""},
		{"untag IMAGE [NAME...]", "Take names from an image", a.byHelper, podmans, ""},
		{"volume COMMAND", "Directories that outlive containers, by names: create, ls, inspect, rm", a.volume, podmans, ""},
		{"system COMMAND", "What images, containers and volumes take, and remove what nothing uses: df, prune", a.system, podmans, ""},
		{"inspect IMAGE...", "Print what images are, as JSON", a.inspect, podmans, ""},
		{"history [flags] IMAGE", "Show how an image came to be", a.history, podmans, ""},
		{"plan [flags] -- CMD [ARG...] | ROOTFS [CMD...] | -b BUNDLE", "Print every step a start would take, and take none", a.plan, 0, ""},
		{"spec [flags]", "Write a config.json to begin with", a.spec, 0, ""},
		{"explain [CODE]", "Explain a cause code, or list them all", a.explain, 0, ""},
		{"features", "Print what this program supports, as JSON", a.features, 0, ""},
		{"version", "Print the version", a.version, 0, ""},
		{"check", "Say what this host allows", a.check, 0, ""},
		{"recvtty [flags] SOCKET", "Receive the terminal of a container at a console socket", a.recvtty, 0, ""},
	}
}
