package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"sandbox/pkg/image"
	"sandbox/pkg/lifecycle"
	"sandbox/pkg/outfile"
	"sandbox/pkg/spec"
	"sandbox/pkg/state"
)

// What a container has changed may belong to any of the caller's ids: the other program reads it, as root of all of them.

func (a *app) commit(cmd *cobra.Command) {
	cmd.Args = cobra.RangeArgs(1, 2)
	f := cmd.Flags()
	f.StringP("author", "a", "", "`WHO` made it")
	f.StringArrayP("change", "c", nil, "an instruction of a Containerfile: `'CMD [\"sh\"]'`, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR")
	f.StringP("format", "f", "oci", "`FORMAT` of the manifest: oci or docker")
	f.StringP("message", "m", "", "`TEXT` for the history")
	f.BoolP("squash", "s", false, "make one layer of all")
	f.BoolP("quiet", "q", false, "say nothing but the image's id")
	pause := f.BoolP("pause", "p", false, "pause the container meanwhile")
	iidfile := f.String("iidfile", "", "write the image's id to `FILE` too")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, about, err := a.aboutContainer(args[0])
		if err != nil {
			return err
		}
		if err := a.sayCommitted(r, args[0]); err != nil {
			return err
		}
		typed := append(typedFlags(cmd.Flags(), "pause", "iidfile"), args[1:]...)
		if !*pause && *iidfile == "" {
			return a.become("commit", append(about, typed...))
		}
		if *pause {
			resume, err := a.pauseFor(r, args[0])
			if err != nil {
				return err
			}
			defer resume()
		}
		return a.commitTo(r, *iidfile, append(about, typed...))
	}
}

// sayCommitted tells the other program what the image is to say of its process: in its environment, which is nobody else's to read.
func (a *app) sayCommitted(r *lifecycle.Runtime, id string) error {
	n, err := r.LayerOf(id)
	if err != nil {
		return err
	}
	s, err := r.SpecOf(id)
	if err != nil {
		return err
	}
	_, conf, _, err := a.oneImage(n.Image)
	if err != nil {
		return err
	}
	p := conf.Config
	made, secrets := spec.Image{Entrypoint: p.Entrypoint, Cmd: p.Cmd, Env: p.Env, User: p.User, Workdir: p.WorkingDir}.Committed(s, n.User)
	if len(secrets) > 0 {
		a.warn("not a part of the image, for they look like secrets: " + strings.Join(secrets, " ") + "; --change 'ENV NAME=VALUE' adds one")
	}
	p.Entrypoint, p.Cmd, p.Env, p.User, p.WorkingDir = made.Entrypoint, made.Cmd, made.Env, made.User, made.Workdir
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return os.Setenv(image.CommittedVariable, string(text))
}

// pauseFor stops a container that runs until resume is called. Signals end the other program, and this one goes on to that.
func (a *app) pauseFor(r *lifecycle.Runtime, id string) (resume func(), err error) {
	s, err := r.State(id)
	if err != nil || s.Status != state.Running {
		return func() {}, err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	if err := r.Pause(id); err != nil {
		return nil, err
	}
	return func() {
		if err := r.Resume(id); err != nil {
			a.warn("resume the container: " + err.Error())
		}
		signal.Stop(signals)
	}, nil
}

// commitTo waits for the other program, and writes down the id that it prints.
func (a *app) commitTo(r *lifecycle.Runtime, iidfile string, args []string) error {
	var id bytes.Buffer
	status, err := runImageProgram(r, io.MultiWriter(os.Stdout, &id), append([]string{"commit"}, args...)...)
	if err != nil || status != 0 {
		a.exit = status // it has said why
		return err
	}
	if iidfile == "" {
		return nil
	}
	return outfile.Replace(iidfile, bytes.TrimSpace(id.Bytes()), 0o644)
}

func (a *app) diff(cmd *cobra.Command) { a.diffOf(cmd, a.aboutContainer) }

// imageDiff is `image diff`, for which a name is an image's.
func (a *app) imageDiff(cmd *cobra.Command) {
	a.diffOf(cmd, func(string) (*lifecycle.Runtime, []string, error) { return nil, nil, state.ErrNotExist })
}

func (a *app) diffOf(cmd *cobra.Command, about func(string) (*lifecycle.Runtime, []string, error)) {
	cmd.Args = exactly(1)
	cmd.Flags().String("format", "", "`FORMAT` json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		_, what, err := about(args[0])
		if errors.Is(err, state.ErrNotExist) {
			img, _, _, unknown := a.oneImage(args[0])
			if unknown != nil {
				return fmt.Errorf("%s is neither a container nor an image here", args[0])
			}
			what, err = []string{"--image=" + img.ID}, nil
		}
		if err != nil {
			return err
		}
		return a.become("diff", append(what, typedFlags(cmd.Flags())...))
	}
}

func (a *app) export(cmd *cobra.Command) {
	cmd.Args = exactly(1)
	cmd.Flags().StringP("output", "o", "", "write `FILE` (default: standard output)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		_, about, err := a.aboutContainer(args[0])
		if err != nil {
			return err
		}
		return a.become("export", append(about, typedFlags(cmd.Flags())...))
	}
}

// aboutContainer is what the other program has to know of a container.
func (a *app) aboutContainer(id string) (*lifecycle.Runtime, []string, error) {
	r, err := a.runtime()
	if err != nil {
		return nil, nil, err
	}
	n, err := r.LayerOf(id)
	return r, []string{"--layer=" + n.Name, "--room=" + n.Room, "--image=" + n.Image, "--keep=" + n.Keep}, err
}

// typedFlags are the flags of a command as they were typed, but for some, and the end of them.
func typedFlags(set *pflag.FlagSet, but ...string) (words []string) {
	set.Visit(func(f *pflag.Flag) {
		for _, name := range but {
			if f.Name == name {
				return
			}
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			words = append(words, "--"+f.Name+"="+v)
		}
	})
	return append(words, "--")
}

// runImageProgram runs the other program and waits for it. What it has to say goes to standard error.
func runImageProgram(r *lifecycle.Runtime, out io.Writer, args ...string) (status int, err error) {
	p, err := findImageProgram(&r.Helpers)
	if err != nil {
		return 125, err
	}
	c := exec.Command(p.Here(), append([]string{image.Protocol}, args...)...)
	c.Stdout, c.Stderr = out, os.Stderr
	var failed *exec.ExitError
	switch err := c.Run(); {
	case errors.As(err, &failed):
		return max(failed.ExitCode(), 1), nil
	case err != nil:
		return 125, fmt.Errorf("start %s: %w", p.Path, err)
	}
	return 0, nil
}
