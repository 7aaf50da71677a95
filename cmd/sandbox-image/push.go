package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/spf13/cobra"
)

func pushCommand() (cmd *cobra.Command) {
	var f pullFlags
	var digestFile string
	cmd = withStore("push [flags] IMAGE [DESTINATION]", "Push an image to a registry, an archive or a directory", cobra.RangeArgs(1, 2), func(s *opened, args []string) error {
		f.policy = "always"
		o, err := f.options(cmd)
		if err != nil {
			return err
		}
		digest, err := s.pushTyped(args, o, f.quiet)
		if err != nil || digestFile == "" {
			return oneLine(err)
		}
		return os.WriteFile(digestFile, []byte(digest), 0o644)
	})
	fs := cmd.Flags()
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing")
	f.add(cmd)
	accepted(cmd, "disable-content-trust", "remove-signatures")
	fs.StringVar(&digestFile, "digestfile", "", "write the manifest's digest to `FILE`")
	return cmd
}

// pushTyped sends an image to a registry, or writes it to a file or directory.
func (s *opened) pushTyped(args []string, o options, quiet bool) (digest string, err error) {
	var to *source
	if len(args) == 2 {
		to, err = archiveOf(args[1])
	}
	switch {
	case err != nil:
		return "", err
	case to != nil:
		return s.pushFile(args[0], to)
	}
	return s.push(args, o, quiet)
}

// pushFile writes an image to an archive or a directory, under the name that was typed for it there, if any.
func (s *opened) pushFile(typed string, to *source) (string, error) {
	list, err := s.named([]string{typed})
	if err != nil {
		return "", err
	}
	if to.name != "" {
		tag, err := name.NewTag(to.name, name.WithDefaultRegistry(""))
		if err != nil {
			return "", err
		}
		list[0].tags, list[0].as = []name.Tag{tag}, to.name
	}
	format := to.kind
	if format == "oci" {
		format = "oci-dir"
	}
	if err := s.write(list, to.path, format); err != nil {
		return "", err
	}
	digest, err := list[0].image.Digest()
	return digest.String(), err
}

// push sends an image to where its name says, or another one.
func (s *opened) push(args []string, o options, quiet bool) (string, error) {
	found, err := s.find(args[0])
	if err != nil {
		return "", err
	}
	to := s.typedName(found, args[0])
	if len(args) == 2 {
		to = strings.TrimPrefix(args[1], "docker://")
	}
	if host, _, ok := strings.Cut(to, "/"); !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return "", fmt.Errorf("%s: a destination begins with a registry", to)
	}
	img, err := s.asImage(found)
	if err != nil {
		return "", err
	}
	at := where{name: to}
	if reg := s.regs.Of(to); reg != nil {
		if reg.Blocked {
			return "", fmt.Errorf("%s: the registry %s is blocked by registries.conf", to, reg.Prefix)
		}
		at.insecure = reg.Insecure
	}
	if !quiet {
		fmt.Fprintf(os.Stderr, "Pushing %s...\n", to)
	}
	return o.pushTo(at, img)
}

func (o options) pushTo(at where, img v1.Image) (string, error) {
	ref, how, err := o.reach(at)
	if err != nil {
		return "", err
	}
	if _, isTag := ref.(name.Tag); !isTag {
		return "", errors.New("an image is pushed by a tag")
	}
	if err := remote.Write(ref, img, append(how, remote.WithRetryBackoff(remote.Backoff{Duration: time.Second, Factor: 2, Steps: 3}))...); err != nil {
		return "", err
	}
	digest, err := img.Digest()
	return digest.String(), err
}
