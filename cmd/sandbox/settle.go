package main

import (
	"sandbox/pkg/lifecycle"
	"sandbox/pkg/spec"
)

// settle ends the description of a container, in one place: each part adds what was typed beside the bundle or the command, or
// what this process was given to pass on, and then the whole is validated. Afterwards it is only read.
func settle(o *lifecycle.Options, parts ...func(*lifecycle.Options) error) error {
	for _, add := range parts {
		if err := add(o); err != nil {
			return err
		}
	}
	return spec.ValidateIn(o.Paths, o.Spec, o.Bundle)
}
