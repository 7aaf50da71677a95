package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/kernel"
)

// addProfile puts the default seccomp profile for its capabilities into a config.json, so that every runtime loads the same.
// With `all` it has every capability before.
//
//	timeit profile FILE [all]
func addProfile(args []string) error {
	all := len(args) == 2 && args[1] == "all"
	if len(args) != 1 && !all {
		return fmt.Errorf("usage: timeit profile FILE [all]")
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var spec specs.Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if spec.Linux == nil || spec.Process == nil {
		return fmt.Errorf("%s lacks its process or linux section", args[0])
	}
	if all {
		names := kernel.Capabilities()
		spec.Process.Capabilities = &specs.LinuxCapabilities{
			Bounding: names, Effective: names, Inheritable: names, Permitted: names, Ambient: names,
		}
	}
	if spec.Linux.Seccomp, err = seccomp.GetDefaultProfile(&spec); err != nil {
		return err
	}
	if data, err = json.MarshalIndent(&spec, "", "\t"); err != nil {
		return err
	}
	return os.WriteFile(args[0], data, 0o644)
}
