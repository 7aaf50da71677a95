package spec

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Committed is what an image made of a container says of its process: what the container's image i says, but for what was typed
// instead. user is --user. Variables that a start adds are not in it, nor those that look like secrets, whose names are returned.
func (i Image) Committed(s *specs.Spec, user string) (made Image, secrets []string) {
	made = i
	args := s.Process.Args
	if n := len(i.Entrypoint); len(args) >= n && slices.Equal(args[:n], i.Entrypoint) {
		made.Cmd = args[n:]
	} else { // --entrypoint
		made.Entrypoint, made.Cmd = args[:1], args[1:]
	}
	if user != "" {
		made.User = user
	}
	if s.Process.Cwd != "/" || i.Workdir != "" {
		made.Workdir = s.Process.Cwd
	}
	made.Env = nil
	for _, e := range s.Process.Env {
		name, value, _ := strings.Cut(e, "=")
		switch of := func(e string) bool { return strings.HasPrefix(e, name+"=") }; {
		case !slices.ContainsFunc(i.Env, of) && addedByStart(e, s.Hostname):
		case !slices.Contains(i.Env, e) && secret(name, value):
			secrets = append(secrets, name)
		default:
			made.Env = append(made.Env, e)
		}
	}
	return made, secrets
}

// addedByStart says whether a variable is one of [builder.rootfsEnv].
func addedByStart(e, hostname string) bool {
	return slices.Contains([]string{defaultPath, "container=sandbox", "TERM=xterm", "HOSTNAME=" + hostname}, e) || strings.HasPrefix(e, "HOME=")
}
