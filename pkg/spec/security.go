package spec

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// capabilities: in the host's tree you have none unless you are root there; in a root of its own it is
// podman's set.
func (b *builder) capabilities() (err error) {
	base := rootCaps()
	if b.wish.Tree && b.spec.Process.User.UID != 0 {
		base = nil
	}
	b.spec.Process.Capabilities, err = b.capSets(base)
	return err
}

// security comes last: seccomp profiles look at capabilities, unmask at what is masked.
func (b *builder) security() error {
	// As bubblewrap does: in the host's tree setuid programs of the host are in reach, and a
	// command that may be anything must not use one. Podman's default (off) elsewhere.
	b.spec.Process.NoNewPrivileges = b.wish.Tree
	for _, v := range b.wish.SecurityOpt {
		if err := b.securityOpt(v); err != nil {
			return fmt.Errorf("--security-opt %q: %w", v, err)
		}
	}
	if b.profiled {
		return nil
	}
	return b.defaultSeccomp()
}

func (b *builder) securityOpt(v string) error {
	key, value, hasValue := strings.Cut(v, "=")
	if !hasValue { // Docker's older spelling
		key, value, hasValue = strings.Cut(v, ":")
	}
	switch key {
	case "no-new-privileges":
		return boolOption(value, hasValue, &b.spec.Process.NoNewPrivileges)
	case "seccomp":
		return b.seccomp(value)
	case "socketcall":
		return boolOption(value, hasValue, &b.socketcall)
	case "apparmor":
		if b.spec.Process.ApparmorProfile = value; value == "unconfined" {
			b.spec.Process.ApparmorProfile = ""
		}
		return nil
	case "label":
		return b.label(value)
	case "mask", "unmask":
		return b.masks(key, value)
	case "systempaths":
		if value == "unconfined" {
			return b.masks("unmask", "ALL")
		}
	case "proc-opts":
		return b.procOptions(value)
	}
	return fmt.Errorf("unknown option, want no-new-privileges, seccomp=, socketcall, apparmor=, label=, mask=, unmask= or proc-opts=")
}

// boolOption is true without a value.
func boolOption(value string, hasValue bool, to *bool) (err error) {
	*to = true
	if hasValue {
		*to, err = strconv.ParseBool(value)
	}
	if err != nil {
		return fmt.Errorf("want true or false")
	}
	return nil
}

// label: we set no SELinux labels yet. Saying nothing about a label that was asked for would be a lie on a
// host that enforces them.
func (b *builder) label(value string) error {
	if value == "disable" {
		return nil
	}
	if b.kind("/sys/fs/selinux/enforce") != 0 {
		return fmt.Errorf("SELinux labels are not supported yet, only label=disable")
	}
	b.notice("no-selinux", "--security-opt label=%s has no effect, SELinux is not in use here", value)
	return nil
}

// masks adds to the masked paths, or takes from the masked and the read-only ones what matches.
func (b *builder) masks(key, value string) error {
	l := b.spec.Linux
	if key == "unmask" && strings.EqualFold(value, "ALL") {
		l.MaskedPaths, l.ReadonlyPaths = nil, nil
		return nil
	}
	for _, p := range strings.Split(value, ":") {
		if err := destination(p); err != nil {
			return err
		}
		if key == "mask" {
			l.MaskedPaths = append(without(l.MaskedPaths, []string{p}), p)
			continue
		}
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("%q: %w", p, err)
		}
		l.MaskedPaths, l.ReadonlyPaths = unmatched(l.MaskedPaths, p), unmatched(l.ReadonlyPaths, p)
	}
	return nil
}

func unmatched(paths []string, pattern string) (kept []string) {
	for _, p := range paths {
		if hit, _ := path.Match(pattern, p); !hit {
			kept = append(kept, p)
		}
	}
	return kept
}

func (b *builder) procOptions(value string) error {
	i := mountOn(b.spec.Mounts, "/proc")
	if i < 0 || b.spec.Mounts[i].Type != "proc" {
		return fmt.Errorf("/proc is not mounted anew here")
	}
	m := &b.spec.Mounts[i]
	for _, o := range strings.Split(value, ",") {
		if o == "" || strings.ContainsAny(o, "\x00\n") {
			return fmt.Errorf("%q is not an option of proc(5)", o)
		}
		m.Options = append(m.Options, o)
	}
	return nil
}

// seccomp reads a profile: the file format that podman and Docker share.
func (b *builder) seccomp(value string) error {
	b.profiled = true
	if value == "unconfined" {
		b.spec.Linux.Seccomp = nil
		return nil
	}
	if value == "" {
		return fmt.Errorf("want unconfined or a file")
	}
	h, err := b.typed(value)
	if err != nil {
		return fmt.Errorf("opening seccomp profile failed: %w", err)
	}
	data, err := readTyped(h.Name(), h.Path)
	if err != nil {
		return fmt.Errorf("opening seccomp profile failed: %w", err)
	}
	profile, err := parseProfile(value, data, b.spec.Process.Capabilities.Bounding)
	if err != nil {
		return err
	}
	b.spec.Linux.Seccomp = profile
	return nil
}
