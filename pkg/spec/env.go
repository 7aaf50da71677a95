package spec

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// pointers are variables that name a socket, terminal or process of the caller's session. None of them
// is there inside, and a program that believes one waits or fails late.
const pointers = `XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS DBUS_STARTER_ADDRESS SSH_AUTH_SOCK SSH_AGENT_PID
	GPG_AGENT_INFO GNOME_KEYRING_CONTROL GNOME_KEYRING_PID WAYLAND_DISPLAY WAYLAND_SOCKET DISPLAY XAUTHORITY ICEAUTHORITY
	SESSION_MANAGER AT_SPI_BUS_ADDRESS PULSE_SERVER PIPEWIRE_REMOTE XDG_SESSION_ID XDG_SEAT XDG_VTNR TMUX TMUX_PANE STY
	NOTIFY_SOCKET WATCHDOG_USEC WATCHDOG_PID LISTEN_PID LISTEN_FDS LISTEN_FDNAMES JOURNAL_STREAM INVOCATION_ID
	SYSTEMD_EXEC_PID CREDENTIALS_DIRECTORY RUNTIME_DIRECTORY KRB5CCNAME DOCKER_HOST CONTAINER_HOST PODMAN_HOST
	SSH_ASKPASS GIT_ASKPASS SUDO_ASKPASS VSCODE_GIT_ASKPASS_MAIN VSCODE_GIT_ASKPASS_NODE VSCODE_GIT_IPC_HANDLE VSCODE_IPC_HOOK_CLI
	NVIM NVIM_LISTEN_ADDRESS KITTY_LISTEN_ON WEZTERM_UNIX_SOCKET ALACRITTY_SOCKET I3SOCK SWAYSOCK ZELLIJ ZELLIJ_SESSION_NAME`

// env puts the environment together: what the form starts with, then --env-file, then --env; a later
// value of a name replaces an earlier one.
func (b *builder) env() error {
	env := b.rootfsEnv
	var err error
	if b.pass, err = parseEnvPass(b.wish.EnvPass); err != nil {
		return err
	}
	b.pass.none = b.pass.none || b.wish.EnvHost == "no" && !b.pass.all
	if b.wish.Tree {
		env = b.treeEnv
	}
	list := env()
	for _, file := range b.wish.EnvFiles {
		h, err := b.typed(file)
		if err != nil {
			return fmt.Errorf("--env-file %q: %w", file, err)
		}
		data, err := readTyped(h.Name(), h.Path)
		if err != nil {
			return fmt.Errorf("--env-file %q: %w", file, err)
		}
		more, err := parseEnvFile(data, b.caller.Env)
		if err != nil {
			return fmt.Errorf("--env-file %q: %w", file, err)
		}
		list = append(list, b.keepOwn(file, more)...)
	}
	for _, e := range b.wish.Env {
		more, err := parseEnv(e, b.caller.Env)
		if err != nil {
			return fmt.Errorf("--env: %w", err)
		}
		list = append(list, more...)
	}
	b.spec.Process.Env = LastWins(list)
	if at := slices.Index(b.spec.Process.Env, "HOME="); at >= 0 {
		b.spec.Process.Env[at] += b.home // empty is none, as with runc
	}
	return nil
}

// keepOwn takes out of what a file says the secrets of the caller's that it only names: the file may be a command's, which
// has added a line "*". What was typed names them.
func (b *builder) keepOwn(file string, list []string) (kept []string) {
	var told []string
	own := make(map[string]bool, len(b.caller.Env))
	for _, e := range b.caller.Env {
		own[e] = true
	}
	for _, e := range list {
		name, value, _ := strings.Cut(e, "=")
		switch {
		case !own[e], b.pass.all, b.pass.named(name), !secret(name, value):
			kept = append(kept, e)
		case !b.setByFlag(name):
			told = append(told, name)
		}
	}
	if len(told) > 0 {
		b.notice("env-not-passed", "not passed to the command, though %s names them, for they look like secrets: %s; -e NAME passes one", file, strings.Join(shorten(told, 12), " "))
	}
	return kept
}

// rootfsEnv is podman's default environment.
func (b *builder) rootfsEnv() []string {
	env := []string{defaultPath, "container=sandbox", "HOME=" + b.home}
	if b.wish.Terminal {
		env = append(env, "TERM=xterm")
	}
	if b.spec.Hostname != "" {
		env = append(env, "HOSTNAME="+b.spec.Hostname)
	}
	if b.wish.EnvHost == "yes" {
		env = append(env, b.hostEnv()...)
	}
	if b.wish.Image != nil {
		env = append(env, b.wish.Image.Env...)
	}
	return env
}

// hostEnv is what of the caller's environment means something in another tree.
func (b *builder) hostEnv() (env []string) {
	for _, e := range b.treeEnv() {
		if name, _, _ := strings.Cut(e, "="); !oneOf(name, "HOME HOSTNAME PWD OLDPWD TMPDIR container") {
			env = append(env, e)
		}
	}
	return env
}

// treeEnv is the caller's own, without secrets: it is their tree and their command.
func (b *builder) treeEnv() (env []string) {
	for _, e := range b.keepSecrets(b.caller.Env) {
		name, value, ok := strings.Cut(e, "=")
		switch {
		case !ok || name == "":
			continue
		case oneOf(name, pointers) && !b.pass.all && !b.pass.named(name):
			continue
		case name == "TMPDIR" && b.hidden(value):
			continue // mktemp would fail; without it there is /tmp
		case name == "PWD":
			e = "PWD=" + b.spec.Process.Cwd
		case name == "HOSTNAME" && b.spec.Hostname != "":
			e = "HOSTNAME=" + b.spec.Hostname // bash exports the host's
		case name == "HOME" && b.wish.User != "":
			e = "HOME=" + b.home
		}
		env = append(env, e)
	}
	return append(env, "container=sandbox")
}

// hidden tells whether a directory lies below one that a private mount replaces.
func (b *builder) hidden(dir string) bool {
	if !filepath.IsAbs(dir) {
		return true
	}
	dir = filepath.Clean(dir)
	var last string // the mount that decides: the last one above dir
	for _, m := range b.spec.Mounts {
		if under(dir, m.Destination) {
			last = m.Destination
			if m.Type != "tmpfs" {
				last = dir
			}
		}
	}
	return last != "" && last != dir
}

// blank is what podman takes for white space in names.
const blank = " \t"

// parseEnvFile reads podman's format: one variable a line as for --env, "#" comments, white space in
// front of a line ignored. Quotes have no meaning.
func parseEnvFile(data []byte, caller []string) ([]string, error) {
	var env []string
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimLeft(strings.TrimSuffix(line, "\r"), blank)
		if line == "" || line[0] == '#' {
			continue
		}
		more, err := parseEnv(line, caller)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		env = append(env, more...)
	}
	return env, nil
}

// parseEnv reads NAME=VALUE; NAME alone takes the caller's value, if there is one; NAME* takes
// everything of the caller's that starts so.
func parseEnv(v string, caller []string) ([]string, error) {
	name, _, hasValue := strings.Cut(v, "=")
	name = strings.TrimLeft(name, blank)
	switch {
	case name == "":
		return nil, fmt.Errorf("invalid environment variable: %q", v)
	case strings.ContainsAny(name, blank):
		return nil, fmt.Errorf("name %q has white space in it", name)
	case strings.IndexByte(v, 0) >= 0:
		return nil, fmt.Errorf("NUL byte in %q", v)
	case hasValue:
		return []string{strings.TrimLeft(v, blank)}, nil
	}
	prefix, isPrefix := strings.CutSuffix(name, "*")
	var env []string
	for _, e := range caller {
		key, _, ok := strings.Cut(e, "=")
		if ok && key != "" && (key == name || isPrefix && strings.HasPrefix(key, prefix)) {
			env = append(env, e)
		}
	}
	return env, nil
}
