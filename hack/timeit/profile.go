package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// addProfile puts the default seccomp profile for its capabilities into a config.json, so that every runtime loads the same.
//
//	timeit profile FILE
func addProfile(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: timeit profile FILE")
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
	if spec.Linux.Seccomp, err = seccomp.GetDefaultProfile(&spec); err != nil {
		return err
	}
	if data, err = json.MarshalIndent(&spec, "", "\t"); err != nil {
		return err
	}
	return os.WriteFile(args[0], data, 0o644)
}
