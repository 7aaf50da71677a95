package worktree

import "strings"

// usual are the files and directories of a project that git, editors, shells, agents and interpreters act on when they see
// them: each has them run programs, or start servers.
var usual = strings.Fields(`.gitmodules
	.vscode .cursor .windsurf .idea .fleet .zed .helix .devcontainer .devcontainer.json .dir-locals.el .dir-locals-2.el
	.exrc .vimrc _vimrc .gvimrc .nvimrc .nvim.lua .lvimrc
	.envrc .mise .mise.toml .mise.local.toml mise.toml mise.local.toml .rtx.toml
	.claude .codex .gemini .mcp.json .aider.conf.yml
	.opencode opencode.json opencode.jsonc .kiro
	.Rprofile .irbrc .pryrc .octaverc .ghci .iex.exs .ocamlinit .erlang .pdbrc .gdbinit .lldbinit`)

// installed are what a hook acts on that somebody has installed, and that stands for the hook: as it is.
var installed = strings.Fields(".pre-commit-config.yaml lefthook.yml lefthook.yaml .lefthook.yml .lefthook.yaml lefthook-local.yml .overcommit.yml .hg/hgrc .hg/hgrc-not-shared")

// findUsual protects what of the usual is there, and remembers what is not.
func (g *Guard) findUsual(has map[string]uint8) {
	there := func(name string) bool {
		top, _, _ := strings.Cut(name, "/")
		_, ok := has[top]
		return ok
	}
	for _, name := range append([]string{".hg"}, usual...) {
		switch {
		case !there(name):
			g.miss(g.dir, name, name)
		case name != ".hg":
			g.protect(g.dir, &g.Inside, name)
		}
	}
	for _, name := range installed {
		if there(name) {
			g.protect(g.dir, &g.Inside, name)
		}
	}
	if there(bundleFile) && g.isBundle(bundleFile) {
		g.protectBundle()
	}
}
