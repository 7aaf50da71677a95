package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/spf13/cobra"
)

func importCommand() *cobra.Command {
	var message string
	var quiet bool
	var changes []string
	cmd := &cobra.Command{Use: "import [flags] FILE|- [NAME]", Short: "Make an image of a tar archive with a root", Args: cobra.RangeArgs(1, 2)}
	cmd.Flags().StringArrayVarP(&changes, "change", "c", nil, "an instruction of a Containerfile: `'CMD [\"sh\"]'`, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR")
	cmd.Flags().StringVarP(&message, "message", "m", "", "`TEXT` for the history")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "say nothing but the image's id")
	cmd.Flags().Int64Var(&maxSize, "max-size", maxSize, "how many `BYTES` it may unpack to")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		s, err := openStore()
		if err != nil {
			return err
		}
		defer s.Free()
		path, drop, err := plainArchive(args[0], s.GraphRoot())
		if err != nil {
			return err
		}
		defer drop()
		img, err := fromTar(path, message, changes)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		var names []string
		if len(args) == 2 {
			names = []string{whole(args[1])}
		}
		id, err := s.store(img, names, quiet)
		if err == nil {
			fmt.Println("sha256:" + id)
		}
		return err
	}
	return cmd
}

// fromTar is an image of one layer.
func fromTar(path, message string, changes []string) (v1.Image, error) {
	layer, err := tarball.LayerFromFile(path, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	now := v1.Time{Time: time.Now().UTC()}
	img, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON),
		mutate.Addendum{Layer: layer, History: v1.History{Created: now, Comment: message, CreatedBy: "sandbox import"}})
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", runtime.GOARCH, now
	for _, c := range changes {
		if err := change(&config.Config, c); err != nil {
			return nil, err
		}
	}
	return mutate.ConfigFile(img, config)
}

// change does what an instruction says.
func change(c *v1.Config, text string) error {
	word, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	if name, value, ok := strings.Cut(text, "="); ok && !strings.Contains(name, " ") { // podman takes CMD=... too
		word, rest = name, value
	}
	rest = strings.TrimSpace(rest)
	if rest == "" {
		return fmt.Errorf("--change %q: says nothing", text)
	}
	set := func(to *map[string]struct{}) {
		if *to == nil {
			*to = map[string]struct{}{}
		}
		for _, name := range strings.Fields(rest) {
			(*to)[name] = struct{}{}
		}
	}
	switch strings.ToUpper(word) {
	case "CMD":
		c.Cmd = words(rest)
	case "ENTRYPOINT":
		c.Entrypoint = words(rest)
	case "ENV":
		if !strings.Contains(rest, "=") {
			rest = strings.Replace(rest, " ", "=", 1)
		}
		c.Env = append(c.Env, rest)
	case "EXPOSE":
		set(&c.ExposedPorts)
	case "LABEL":
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		name, value, _ := strings.Cut(rest, "=")
		c.Labels[name] = value
	case "STOPSIGNAL":
		c.StopSignal = rest
	case "USER":
		c.User = rest
	case "VOLUME":
		set(&c.Volumes)
	case "WORKDIR":
		c.WorkingDir = rest
	default:
		return fmt.Errorf("--change %q: unknown instruction", text)
	}
	return nil
}

// words is a JSON array, or a line for a shell.
func words(text string) (list []string) {
	if json.Unmarshal([]byte(text), &list) == nil {
		return list
	}
	return []string{"/bin/sh", "-c", text}
}
