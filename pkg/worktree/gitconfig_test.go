package worktree

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var configs = []string{
	"", "\n", "[a]\nb=c", "[a]\nb = c d  \n", "[a]b=c", "[A \"B c\"]\n\tKey = value # comment\n", "[a]\nb = \"c # d\" ; e\n", "[a]\nb\n", "[a]\nb=\n",
	"[a]\nb = one \\\n  two\n", "[a]\nb = \"x\\ty\\n\\\\ \\\" z\"\n", "[a.B.c]\nd=e\n", "[a \"x\\\"y\\\\z\"]\nb=c\n", "# only\n; comments\n", "\ufeff[a]\nb=c\n",
	"[a]\r\nb = c\r\n", "[a]\nb = \t c \t d \t\n", "[core]\n\tfsmonitor = touch x\n[include]\n\tpath = ../y\n", "[a]\nb-c=1\n[a-1]\nd=2\n",
	// what git refuses
	"b=c", "[a\nb=c", "[a]\n=c", "[a]\nb = \"c\n", "[a]\nb = \\q\n", "[a \"b]\nc=d", "[a]\n1b=c", "[a b]\nc=d", "[]\nb=c", "[a]\nb c = d\n", "[a \"b\" ]\nc=d\n", "[a]\nb_c=d\n", "[a]\nb = x\\",
}

// printed is a list as `git config --list -z` prints it.
func printed(list []variable) string {
	var b strings.Builder
	for _, v := range list {
		b.WriteString(v.name())
		if !v.bare {
			b.WriteString("\n" + v.value)
		}
		b.WriteByte(0)
	}
	return b.String()
}

// TestConfigAsGit compares with git itself, where it is installed: what two parsers read in two ways is a hiding place.
func TestConfigAsGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	for _, text := range configs {
		againstGit(t, []byte(text))
	}
}

func againstGit(t *testing.T, data []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("git", "config", "--file", file, "--no-includes", "--list", "-z")
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1"}
	out, err := c.Output()
	list, ours := parseConfig(data)
	switch {
	case (err != nil) != (ours != nil):
		t.Errorf("%q: git says %v, we say %v", data, err, ours)
	case err == nil && string(out) != printed(list):
		t.Errorf("%q: git reads %q, we read %q", data, out, printed(list))
	}
}

// FuzzConfig: no input hangs or panics, and what is read is the same when it is read again as it was written.
func FuzzConfig(f *testing.F) {
	for _, text := range configs {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseConfig(data)
		for _, v := range list {
			if v.key == "" || strings.ToLower(v.key) != v.key {
				t.Errorf("%q: read %+v", data, v)
			}
		}
		if err != nil {
			return
		}
		safe := Safe([][]byte{data})
		again, err := parseConfig(safe.Config)
		if err != nil {
			t.Errorf("%q: what was made of it is %q: %v", data, safe.Config, err)
		}
		for _, v := range again {
			if v.section == "alias" && strings.HasPrefix(v.value, "!") || v.section == "include" || v.section == "github" {
				t.Errorf("%q: %+v is known to everybody", data, v)
			}
		}
		if os.Getenv("WORKTREE_FUZZ_GIT") != "" && !strings.Contains(string(data), "\x00") {
			againstGit(t, data)
		}
	})
}

func TestSafe(t *testing.T) {
	s := Safe([][]byte{
		[]byte("[user]\n\tname = Old\n[core]\n\texcludesFile = ~/.ignore\n\thooksPath = /hooks\n\tpager = evil\n[github]\n\ttoken = x\n[credential]\n\thelper = store\n"),
		[]byte("[user]\n\tname = \"A \\\"b\\\"\"\n\ttoken = x\n\tsigningkey = K\n[alias]\n\tst = status\n\tx = !sh\n[url \"https://u:p@h/\"]\n\tinsteadOf = h:\n[init]\n\ttemplateDir = /t\n\tdefaultBranch = main\n[color \"diff\"]\n\tmeta = red\n[core]\n\tautocrlf = input\n"),
	})
	want := "[user]\n\tname = \"Old\"\n[user]\n\tname = \"A \\\"b\\\"\"\n[alias]\n\tst = \"status\"\n[init]\n\tdefaultbranch = \"main\"\n[color \"diff\"]\n\tmeta = \"red\"\n[core]\n\tautocrlf = \"input\"\n"
	if string(s.Config) != want || s.Ignore != ".ignore" {
		t.Errorf("got %+v with\n%s", s, s.Config)
	}
}

func TestPlain(t *testing.T) {
	for text, want := range map[string]bool{
		"[core]\nbare=false\nfilemode=true\n[remote \"origin\"]\nurl=https://h/r\nfetch=+refs/heads/*:refs/remotes/origin/*\n": true,
		"[remote \"o\"]\nurl=ext::sh -c x\n": false, "[remote \"o\"]\nurl=--upload-pack=x\n": false, "[core]\nfsmonitor=x\n": false, "[include]\npath=x\n": false,
		"[filter \"x\"]\nclean=y\n": false, "[alias]\nx=y\n": false, "[init]\ntemplatedir=t\n": false, "[init]\ndefaultbranch=m\n": true, "[gc]\nrecentObjectsHook=x\n": false, "[pack]\nthreads=1\n": true, "[color]\npager=$(x)\n": false, "[core]\nworktree=/\n": false, "[submodule \"x\"]\nupdate=!y\n": false,
	} {
		list, err := parseConfig([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got := true
		for _, v := range list {
			got = got && plain(v)
		}
		if got != want {
			t.Errorf("%q: harmless %v, want %v", text, got, want)
		}
	}
}
