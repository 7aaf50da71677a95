package main

import (
	"fmt"
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"
)

const version = "0.1.0"

// versionText has a line with the word "version" (Docker reads what follows
// it) and one that begins with "spec: ".
func versionText() string {
	return fmt.Sprintf("sandbox version %s\nspec: %s\ngo: %s\n", version, specs.Version, runtime.Version())
}
