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

func pushCommand() *cobra.Command {
	var f pullFlags
	var digestFile string
	cmd := &cobra.Command{Use: "push [flags] IMAGE [DESTINATION]", Short: "Push an image to a registry", Args: cobra.RangeArgs(1, 2)}
	fs := cmd.Flags()
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing")
	f.add(cmd)
	accepted(cmd, "disable-content-trust", "remove-signatures")
	fs.StringVar(&digestFile, "digestfile", "", "write the manifest's digest to `FILE`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f.policy = "always"
		o, err := f.options(cmd)
		if err != nil {
			return err
		}
		s, err := openStore()
		if err != nil {
			return err
		}
		defer s.Free()
		digest, err := s.push(args, o, f.quiet)
		if err != nil {
			return oneLine(err)
		}
		if digestFile != "" {
			return os.WriteFile(digestFile, []byte(digest), 0o644)
		}
		return nil
	}
	return cmd
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
