package spec

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/kernel"
)

// rootCaps is what podman 4 gives a payload that is root: enough for a package manager.
func rootCaps() []string {
	return strings.Fields(`CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_NET_BIND_SERVICE
		CAP_SETFCAP CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYS_CHROOT`)
}

// UnknownCapabilities returns the names in c that no kernel we know of has, each once. They are not an
// error: runc warns and goes on, and what cannot be granted only ever makes the container weaker.
// Somebody who lists what was granted should say so, though.
func UnknownCapabilities(c *specs.LinuxCapabilities) []string {
	if c == nil {
		return nil
	}
	var unknown []string
	told := map[string]bool{} // and known
	for _, name := range kernel.Capabilities() {
		told[name] = true
	}
	for _, set := range [][]string{c.Bounding, c.Effective, c.Inheritable, c.Permitted, c.Ambient} {
		for _, name := range set {
			if !told[name] {
				told[name] = true
				unknown = append(unknown, name)
			}
		}
	}
	return unknown
}

// capSets turns --cap-add and --cap-drop into the sets of a payload. Podman's rules: for root the default
// set is granted, for others it is only the bound; what was added by name is granted to anybody, and
// must be ambient to survive the exec of somebody who is not root.
func (b *builder) capSets(base []string) (*specs.LinuxCapabilities, error) {
	add, addAll, err := capNames("--cap-add", b.wish.CapAdd)
	if err != nil {
		return nil, err
	}
	drop, dropAll, err := capNames("--cap-drop", b.wish.CapDrop)
	if err != nil {
		return nil, err
	}
	for _, name := range add {
		if contains(drop, name) {
			return nil, fmt.Errorf("--cap-add and --cap-drop: capability %q cannot be dropped and added", name)
		}
	}
	switch {
	case addAll && dropAll:
		return nil, fmt.Errorf("--cap-add ALL and --cap-drop ALL: adding all and removing all is not allowed")
	case addAll:
		base, add = kernel.Capabilities(), kernel.Capabilities()
	case dropAll:
		base = nil
	}
	granted := without(add, drop)
	bound := without(inKernelOrder(base, add), drop)
	if b.spec.Process.User.UID == 0 {
		return &specs.LinuxCapabilities{Bounding: bound, Effective: bound, Permitted: bound}, nil
	}
	granted = inKernelOrder(granted)
	return &specs.LinuxCapabilities{Bounding: bound, Effective: granted, Permitted: granted, Inheritable: granted, Ambient: granted}, nil
}

// capNames reads the values of one flag: with or without CAP_, any case, several with commas, ALL.
func capNames(flag string, values []string) (names []string, all bool, err error) {
	known := kernel.Capabilities()
	for _, v := range splitAll(values) {
		name := strings.ToUpper(strings.TrimSpace(v))
		if name == "ALL" || name == "CAP_ALL" {
			all = true
			continue
		}
		if !strings.HasPrefix(name, "CAP_") {
			name = "CAP_" + name
		}
		if !contains(known, name) {
			return nil, false, fmt.Errorf("%s %q: unknown capability", flag, v)
		}
		names = append(names, name)
	}
	return names, all, nil
}

// inKernelOrder merges lists of known names, so that the same wish always makes the same spec.
func inKernelOrder(lists ...[]string) []string {
	var sorted []string
	for _, name := range kernel.Capabilities() {
		for _, list := range lists {
			if contains(list, name) {
				sorted = append(sorted, name)
				break
			}
		}
	}
	return sorted
}

func without(list, drop []string) []string {
	var kept []string
	for _, s := range list {
		if !contains(drop, s) {
			kept = append(kept, s)
		}
	}
	return kept
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
