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
	made := v1.Platform{}
	cmd := withStore("import [flags] FILE|- [NAME]", "Make an image of a tar archive with a root", cobra.RangeArgs(1, 2), func(s *opened, args []string) error {
		id, err := s.importTar(args, message, changes, quiet, made)
		if err == nil {
			fmt.Println("sha256:" + id)
		}
		return err
	})
	cmd.Flags().StringArrayVarP(&changes, "change", "c", nil, "an instruction of a Containerfile: `'CMD [\"sh\"]'`, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR")
	cmd.Flags().StringVar(&made.OS, "os", "linux", "`OS` that it is for")
	cmd.Flags().StringVar(&made.Architecture, "arch", runtime.GOARCH, "`ARCH` that it is for")
	cmd.Flags().StringVar(&made.Variant, "variant", "", "`VARIANT` of that")
	cmd.Flags().StringVarP(&message, "message", "m", "", "`TEXT` for the history")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "say nothing but the image's id")
	cmd.Flags().Int64Var(&maxSize, "max-size", maxSize, "how many `BYTES` it may unpack to")
	return cmd
}

// importTar makes an image of FILE [NAME].
func (s *opened) importTar(args []string, message string, changes []string, quiet bool, platform v1.Platform) (string, error) {
	as, err := allWhole(args[1:])
	if err != nil {
		return "", err
	}
	path, drop, err := plainArchive(args[0], s.GraphRoot())
	if err != nil {
		return "", err
	}
	defer drop()
	img, err := fromTar(path, message, changes, platform)
	if err != nil {
		return "", fmt.Errorf("%s: %w", args[0], err)
	}
	return s.store(img, as, quiet)
}

// fromTar is an image of one layer.
func fromTar(path, message string, changes []string, platform v1.Platform) (v1.Image, error) {
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
	config.OS, config.Architecture, config.Variant, config.Created = platform.OS, platform.Architecture, platform.Variant, now
	for _, c := range changes {
		if err := change(&config.Config, c); err != nil {
			return nil, err
		}
	}
	return mutate.ConfigFile(img, config)
}

// instructions are those that say something of a configuration.
var instructions = map[string]func(c *v1.Config, rest string){
	"CMD":        func(c *v1.Config, rest string) { c.Cmd = words(rest) },
	"ENTRYPOINT": func(c *v1.Config, rest string) { c.Entrypoint = words(rest) },
	"EXPOSE":     func(c *v1.Config, rest string) { c.ExposedPorts = names(c.ExposedPorts, rest) },
	"VOLUME":     func(c *v1.Config, rest string) { c.Volumes = names(c.Volumes, rest) },
	"STOPSIGNAL": func(c *v1.Config, rest string) { c.StopSignal = rest },
	"USER":       func(c *v1.Config, rest string) { c.User = rest },
	"WORKDIR":    func(c *v1.Config, rest string) { c.WorkingDir = rest },
	"ENV": func(c *v1.Config, rest string) {
		if !strings.Contains(rest, "=") {
			rest = strings.Replace(rest, " ", "=", 1)
		}
		c.Env = append(c.Env, rest)
	},
	"LABEL": func(c *v1.Config, rest string) {
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		name, value, _ := strings.Cut(rest, "=")
		c.Labels[name] = value
	},
}

// change does what an instruction says.
func change(c *v1.Config, text string) error {
	word, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	if name, value, ok := strings.Cut(text, "="); ok && !strings.Contains(name, " ") { // podman takes CMD=... too
		word, rest = name, value
	}
	do := instructions[strings.ToUpper(word)]
	rest = strings.TrimSpace(rest)
	switch {
	case do == nil:
		return fmt.Errorf("--change %q: unknown instruction", text)
	case rest == "":
		return fmt.Errorf("--change %q: says nothing", text)
	}
	do(c, rest)
	return nil
}

// names adds to a set.
func names(set map[string]struct{}, list string) map[string]struct{} {
	if set == nil {
		set = map[string]struct{}{}
	}
	for _, name := range strings.Fields(list) {
		set[name] = struct{}{}
	}
	return set
}

// words is a JSON array, or a line for a shell.
func words(text string) (list []string) {
	if json.Unmarshal([]byte(text), &list) == nil {
		return list
	}
	return []string{"/bin/sh", "-c", text}
}
