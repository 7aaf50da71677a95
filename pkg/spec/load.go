package spec

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
)

// ConfigName is the file in a bundle that says what the container should be.
const ConfigName = "config.json"

// Load reads the configuration of a bundle and settles the forms that other runtimes tolerate too
// ([Settle]). It checks syntax, types and the version, nothing else: see [Validate].
// A bundle without config.json is reported with an error that is fs.ErrNotExist.
func Load(bundle string) (*specs.Spec, error) {
	dir, err := handle.Open(bundle)
	if err != nil {
		return nil, NoBundle(bundle, err)
	}
	defer dir.Close()
	return LoadFrom(dir)
}

// NoBundle is what the error of opening a bundle says to people: that there is no configuration, where there is no such
// directory.
func NoBundle(bundle string, err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return noConfig(bundle)
	}
	return err
}

// noConfig says what to do about a bundle that is none.
func noConfig(bundle string) error {
	return fmt.Errorf("%s is missing in bundle %q: make one with `sandbox spec -b %s`, or name another bundle with --bundle: %w",
		ConfigName, bundle, bundle, unix.ENOENT)
}

// LoadFrom is Load for a bundle that is open, whatever its name leads to by now.
func LoadFrom(dir *handle.Handle) (*specs.Spec, error) {
	bundle := dir.Path
	path := filepath.Join(bundle, ConfigName)
	data, err := readRegularAt(dir.FD, ConfigName, path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, noConfig(bundle)
	}
	if err != nil {
		return nil, err
	}
	s := new(specs.Spec)
	if err := decodeFile(path, data, s); err != nil {
		return nil, err
	}
	if err := knownVersion(s.Version); err != nil {
		return nil, fmt.Errorf("%s: ociVersion: %w", path, err)
	}
	Settle(s)
	return s, nil
}

// LoadProcess reads the file of `exec --process`: the process object of a configuration by itself.
func LoadProcess(path string) (*specs.Process, error) {
	data, err := readTyped(path, path)
	if err != nil {
		return nil, err
	}
	p := new(specs.Process)
	if err := decodeFile(path, data, p); err != nil {
		return nil, err
	}
	p.Env = LastWins(p.Env)
	return p, nil
}

func decodeFile(path string, data []byte, v any) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return fmt.Errorf("%s is empty: want a JSON object", path)
	}
	if err := Decode(data, v); err != nil {
		return fmt.Errorf("%s:%w", path, err)
	}
	return nil
}

// knownVersion accepts every 1.x.y: the specification promises that a later minor version only adds
// (spec.md, "releases are backward compatible within a major version"), and what is added is either
// understood or named by Validate. runc 1.1 does not look at the version at all, crun refuses other majors.
func knownVersion(v string) error {
	if v == "" {
		return errors.New(`missing: want "` + specs.Version + `" or another 1.x.y`)
	}
	core, _, _ := strings.Cut(v, "+")
	core, _, _ = strings.Cut(core, "-")
	parts := strings.Split(core, ".")
	ok := len(parts) == 3
	for _, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		ok = ok && err == nil && strconv.FormatUint(n, 10) == p
	}
	if !ok {
		return fmt.Errorf("%q is not a version: want 1.x.y", v)
	}
	if parts[0] != "1" {
		return fmt.Errorf("%q is not supported: want 1.x.y", v)
	}
	return nil
}

// Settle brings what other runtimes tolerate into the one form everything behind relies on: of an
// environment variable given twice the last counts (runc, crun and podman agree; execve(2) itself would
// keep both and leave the choice to the program), and a mount destination that is not absolute starts
// at the root (runc warns, crun is silent). No process at all is a limit since version 1.3
// (config-linux.md, "PIDs"), before it asked for nothing; it becomes 1 as with runc 1.5, for systemd knows no 0.
// Without a umask it is 0022, as with runc and crun, whatever that of the daemon that calls.
func Settle(s *specs.Spec) {
	if s.Process != nil {
		s.Process.Env = LastWins(s.Process.Env)
		if s.Process.User.Umask == nil {
			s.Process.User.Umask = new(uint32(0o022))
		}
	}
	if l := s.Linux; l != nil && l.Resources != nil && l.Resources.Pids != nil && l.Resources.Pids.Limit != nil {
		if *l.Resources.Pids.Limit == 0 && !Before13(s.Version) {
			l.Resources.Pids.Limit = new(int64(1))
		}
	}
	for i, m := range s.Mounts {
		if m.Destination != "" && m.Destination[0] != '/' {
			s.Mounts[i].Destination = "/" + m.Destination
		}
	}
}

// Before13 says whether a version of the specification is 1.0, 1.1 or 1.2: some fields mean something else there.
func Before13(version string) bool {
	return slices.ContainsFunc([]string{"1.0.", "1.1.", "1.2."}, func(v string) bool { return strings.HasPrefix(version, v) })
}

// LastWins drops all but the last of the variables with the same name; the first keeps the place.
// Entries without "=" are left for Validate to complain about.
func LastWins(env []string) []string {
	at := make(map[string]int, len(env))
	kept := env[:0:0]
	for _, e := range env {
		name, _, ok := strings.Cut(e, "=")
		if !ok {
			kept = append(kept, e)
		} else if i, twice := at[name]; twice {
			kept[i] = e
		} else {
			at[name] = len(kept)
			kept = append(kept, e)
		}
	}
	return kept
}
