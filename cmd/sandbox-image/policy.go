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

// allowed says whether the caller's policy lets an image of a transport in. What it demands and cannot be checked here is no
// permission.
func allowed(transport, scope string) error {
	var policy struct {
		Default    []requirement                       `json:"default"`
		Transports map[string]map[string][]requirement `json:"transports"`
	}
	path := ""
	for _, p := range []string{filepath.Join(home(), ".config/containers/policy.json"), "/etc/containers/policy.json"} {
		data, err := os.ReadFile(p)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(data, &policy)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		path = p
		break
	}
	if path == "" {
		return nil // nobody has said anything
	}
	for _, r := range requirementsFor(policy.Transports[transport], policy.Default, scope) {
		switch r.Type {
		case "insecureAcceptAnything":
		case "reject":
			return fmt.Errorf("%s: %s rejects it", scope, path)
		default:
			return fmt.Errorf("%s: %s demands %q, which is not checked here: skopeo copy checks it, into the same store", scope, path, r.Type)
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
