package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// requirement is one of containers-policy.json(5).
type requirement struct {
	Type string `json:"type"`
}

// policy is such a file.
type policy struct {
	path       string
	Default    []requirement                       `json:"default"`
	Transports map[string]map[string][]requirement `json:"transports"`
}

// readPolicy is the caller's, or the host's; nil where nobody has said anything.
func readPolicy() (*policy, error) {
	for _, path := range []string{filepath.Join(home(), ".config/containers/policy.json"), "/etc/containers/policy.json"} {
		data, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		p := &policy{path: path}
		if err == nil {
			err = json.Unmarshal(data, p)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return p, nil
	}
	return nil, nil
}

// allowed says whether the caller's policy lets an image of a transport in. What it demands and cannot be checked here is no
// permission.
func allowed(transport, scope string) error {
	p, err := readPolicy()
	if err != nil || p == nil {
		return err
	}
	for _, r := range requirementsFor(p.Transports[transport], p.Default, scope) {
		switch r.Type {
		case "insecureAcceptAnything":
		case "reject":
			return fmt.Errorf("%s: %s rejects it", scope, p.path)
		default:
			return fmt.Errorf("%s: %s demands %q, which is not checked here: skopeo copy checks it, into the same store", scope, p.path, r.Type)
		}
	}
	return nil
}

// requirementsFor are those of the closest scope: the name itself, what it lies in, the transport, the default.
func requirementsFor(scopes map[string][]requirement, otherwise []requirement, name string) []requirement {
	for at := name; at != ""; {
		if list, ok := scopes[at]; ok {
			return list
		}
		switch i := strings.LastIndexAny(at, "/:@"); {
		case i < 0:
			at = ""
		default:
			at = at[:i]
		}
	}
	if list, ok := scopes[""]; ok {
		return list
	}
	return otherwise
}
