package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/spf13/cobra"

	"sandbox/pkg/image"
)

// pullFlags are podman's.
type pullFlags struct {
	registryFlags
	quiet, allTags             bool
	platform, arch, os, policy string
	variant                    string
}

// registryFlags say how a registry is spoken to.
type registryFlags struct {
	tlsVerify       bool
	authFile, creds string
	certDir         string
}

func (f *registryFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&f.tlsVerify, "tls-verify", true, "insist on HTTPS with a certificate that is known")
	fs.StringVar(&f.authFile, "authfile", "", "`FILE` with credentials (default $XDG_RUNTIME_DIR/containers/auth.json, then ~/.docker/config.json)")
	fs.StringVar(&f.creds, "creds", "", "`USER:PASSWORD` for the registry")
	fs.StringVar(&f.certDir, "cert-dir", "", "also the certificates in `DIR`: *.crt of authorities, *.cert and *.key of yours")
}

func pullCommand() *cobra.Command {
	var f pullFlags
	cmd := &cobra.Command{Use: "pull [flags] IMAGE...", Short: "Pull images from a registry or a file into the store", Args: cobra.MinimumNArgs(1)}
	fs := cmd.Flags()
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing but the image's id")
	fs.BoolVarP(&f.allTags, "all-tags", "a", false, "all images of the repository")
	accepted(cmd, "disable-content-trust")
	fs.StringVar(&f.platform, "platform", "", "the image for `OS/ARCH[/VARIANT]`")
	fs.StringVar(&f.arch, "arch", "", "the image for `ARCH`")
	fs.StringVar(&f.os, "os", "", "the image for `OS`")
	fs.StringVar(&f.variant, "variant", "", "the image for `VARIANT` of the architecture")
	f.add(cmd)
	fs.StringVar(&f.policy, "policy", "always", "`WHEN` always, missing, newer or never")
	fs.Int64Var(&maxSize, "max-size", maxSize, "how many `BYTES` one layer may unpack to")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := f.options(cmd)
		if err != nil {
			return err
		}
		s, err := openStore()
		if err != nil {
			return err
		}
		defer s.Free()
		if f.allTags {
			if args, err = s.allTags(args, o); err != nil {
				return err
			}
		}
		for _, arg := range args {
			id, err := s.pull(arg, o, f)
			if err != nil {
				return err
			}
			fmt.Println(id)
		}
		return nil
	}
	return cmd
}

// accepted are flags of podman's that say what is so anyway.
func accepted(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cmd.Flags().Bool(name, false, "accepted for podman's callers")
	}
}

// allTags are the names of all images that a registry has in repositories.
func (s *opened) allTags(repos []string, o options) (names []string, err error) {
	for _, repo := range repos {
		var all error
		found := len(names)
		for _, full := range s.regs.Candidates(strings.TrimPrefix(repo, "docker://")) {
			tags, err := o.tags(s.regs, full)
			all = errors.Join(all, err)
			if names = append(names, tags...); err == nil {
				break
			}
		}
		if len(names) == found {
			return nil, oneLine(errors.Join(fmt.Errorf("%s: no images", repo), all))
		}
	}
	return names, nil
}

// tags are the names of the images of one repository.
func (o options) tags(regs *image.Registries, full string) (names []string, err error) {
	at := where{name: full}
	if reg := regs.Of(full); reg != nil {
		at = places(reg, full)[len(places(reg, full))-1]
	}
	ref, how, err := o.reach(at)
	if err != nil {
		return nil, err
	}
	tags, err := remote.List(ref.Context(), how...)
	repo := full[:strings.LastIndex(full, ":")]
	for _, tag := range tags {
		names = append(names, repo+":"+tag)
	}
	return names, err
}

func (f *pullFlags) options(cmd *cobra.Command) (o options, err error) {
	o.authFile, o.creds, o.certDir = f.authFile, f.creds, f.certDir
	if cmd.Flags().Changed("tls-verify") {
		o.tlsVerify = &f.tlsVerify
	}
	o.platform = &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	if f.platform != "" {
		if o.platform, err = v1.ParsePlatform(f.platform); err != nil {
			return o, fmt.Errorf("--platform %q: want OS/ARCH[/VARIANT]", f.platform)
		}
	}
	for to, value := range map[*string]string{&o.platform.OS: f.os, &o.platform.Architecture: f.arch, &o.platform.Variant: f.variant} {
		if value != "" {
			*to = value
		}
	}
	switch f.policy {
	case "always", "missing", "newer", "never":
		return o, nil
	}
	return o, fmt.Errorf("--policy %q: want always, missing, newer or never", f.policy)
}

// pull brings one image into the store and returns its id.
func (s *opened) pull(typed string, o options, f pullFlags) (string, error) {
	if f.policy == "missing" || f.policy == "never" {
		img, err := s.find(typed)
		if err == nil {
			return img.ID, nil
		}
		if f.policy == "never" || !errors.Is(err, image.ErrUnknown) {
			return "", err
		}
	}
	from, err := archiveOf(typed)
	switch {
	case err != nil:
		return "", err
	case from != nil:
		return s.loadOne(*from, f.quiet)
	}
	return s.pullOne(strings.TrimPrefix(strings.TrimPrefix(typed, "docker:"), "//"), o, f.quiet)
}

// pullOne is that from the first registry that has it.
func (s *opened) pullOne(name string, o options, quiet bool) (string, error) {
	names := s.regs.Remote(name)
	if host, _, ok := strings.Cut(name, "/"); ok && (strings.ContainsAny(host, ".:") || host == "localhost") {
		names = s.regs.Candidates(name)
	}
	var all error
	for _, full := range names {
		if err := allowed("docker", full); err != nil {
			return "", err
		}
		if !quiet {
			fmt.Fprintf(os.Stderr, "Trying to pull %s...\n", full)
		}
		img, err := remoteImage(s.regs, full, o)
		if err == nil {
			return s.store(img, []string{full}, quiet)
		}
		all = errors.Join(all, err)
	}
	return "", oneLine(all)
}

// store puts an image into the store and tells of it.
func (s *opened) store(img v1.Image, names []string, quiet bool) (string, error) {
	p := newProgress(quiet, s.GraphRoot())
	defer p.end()
	for i, n := range names {
		names[i], _, _ = strings.Cut(n, "@")
	}
	id, err := s.put(img, names, p)
	if err != nil {
		return "", oneLine(err)
	}
	return id, nil
}

// oneLine is what several places said, in one.
func oneLine(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
}
