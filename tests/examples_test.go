package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// example is a line that people are told to type, in the help or in a document. It is typed as it stands, in a directory
// with what it speaks of (testdata/examples.sh), or says why it cannot be.
type example struct {
	typed string
	why   string // why it is not run
	needs string // conditions of a testscript, with a space between
	as    string // a sed expression for what of this machine it must not meet
	after string // lines of sh behind it, with its output in out; all of them have to work
	tty   bool   // it is typed at a terminal, where "exit 3" follows
}

var examples = []example{
	// README.md
	{typed: "CGO_ENABLED=0 go build -o . ./cmd/... && ./sandbox run -- sh -c 'id -un; hostname; ps ax; touch here'", needs: "[exec:ps]",
		as: "s/.* && //", after: "test -e here; grep -x $(id -un) out; test $(grep -c . out) -lt 12"}, // hack/test does the first half
	{typed: "sudo hack/test", why: "it runs these tests"},
	{typed: "sudo hack/vm test", why: "it runs these tests, in a virtual machine"},
	{typed: "mkdir -p rootfs/bin && cp /bin/busybox rootfs/bin && rootfs/bin/busybox --install rootfs/bin", as: "s,/bin/busybox rootfs,$BUSYBOX rootfs,", after: "test -x rootfs/bin/sh"},
	{typed: "sandbox run --memory 64m --pids-limit 32 --cpus 0.5 -- make -j", needs: "[probe:memory] [exec:make]", after: "grep made out"},
	{typed: "sandbox run -p 8080:80 ./rootfs httpd -f -p 80", needs: "[probe:tun] [exec:slirp4netns]", as: "s/8080/$port/; s/^/served_by /", after: "grep 'served here' served"},
	{typed: "sandbox run alpine sh", why: "it pulls from docker.io"},
	{typed: "sandbox run ./rootfs id", after: "grep ^uid= out"},
	{typed: "sandbox run -- make test", needs: "[exec:make]", after: "grep tested out"},
	{typed: "sandbox run ./rootfs sh", tty: true},
	{typed: "sandbox run -- bash", needs: "[exec:bash]", tty: true},
	{typed: "sandbox spec --rootless", as: "s/^/rm -f config.json; /", after: "grep uidMappings config.json"},
	{typed: "sandbox run --help", after: "grep ^NAME: out"},
	// SECURITY.md
	{typed: "sandbox check --format json", after: `grep '"feature"' out`},
	// docs/cgroups.md
	{typed: "sandbox check", after: "grep '^limit of memory' out"},
	{typed: "systemctl --user is-system-running", needs: "[user] [probe:manager]"},
	{typed: "cat /sys/fs/cgroup/user.slice/user-$UID.slice/user@$UID.service/cgroup.controllers", needs: "[user] [probe:manager]", as: "s/^/UID=$(id -u); /"},
	{typed: "systemd-cgls --user-unit user.slice", why: "it shows a tree on a host with systemd"},
	{typed: `printf '[Service]\nDelegate=cpu cpuset io memory pids\n' >delegate.conf`, after: "grep -x 'Delegate=cpu cpuset io memory pids' delegate.conf"},
	{typed: "sudo install -D -m 644 delegate.conf /etc/systemd/system/user@.service.d/delegate.conf", why: "it changes this host; the image of hack/vm has that file"},
	{typed: "sudo systemctl daemon-reload", why: "it changes this host"},
	{typed: "sudo loginctl enable-linger USER", why: "it changes this host"},
	// docs/design.md, docs/network.md
	{typed: `sudo sysctl -w net.ipv4.ping_group_range="0 2147483647"`, why: "it changes this host"},
	{typed: "sudo modprobe tun", why: "it changes this host"},
	{typed: "sudo chmod 0666 /dev/net/tun", why: "it changes this host"},
	{typed: "sudo apt install slirp4netns", why: "it changes this host"},
	// help
	{typed: "sandbox run --cow -- sh -c 'rm -rf *'", needs: "[probe:overlay]", after: "test -e Makefile"},
	{typed: "sandbox run -v ~/.cache/go-build -v ~/go/pkg -- go build ./...", after: `
grep 'downloaded, compiled' out
sandbox run -v ~/.cache/go-build -v ~/go/pkg -- go build ./... >out
grep 'nothing to do' out`},
	{typed: "sandbox run -e NPM_TOKEN --no-protect=.git/config -- npm publish", needs: "[exec:git]", as: "s/^/export NPM_TOKEN=secret; /", after: "grep 'published with secret' out; grep version .git/config"},
	{typed: "sandbox run -u 1000 --read-only --tmpfs /tmp ./rootfs id", needs: "[subids]", after: "grep uid=1000 out"},
	{typed: "sandbox run -b ./bundle web", after: "grep served out"},
	{typed: "sandbox create --bundle ./bundle --pid-file pid web", after: "kill -0 $(cat pid)"},
	{typed: "sandbox start web", after: `sandbox state web | grep -E "status.*(running|stopped)"; sandbox delete -f web`},
	{typed: "sandbox exec web ps", as: "s/^/running; /", after: "grep sleep out"},
	{typed: "sandbox exec web sh", tty: true, as: "s/^/running; /"},
	{typed: "sandbox exec -d --pid-file pid -p process.json web", as: "s/^/running; /", after: "test -s pid; sandbox exec web cat /made"},
	{typed: "sandbox update --memory 256m --pids-limit 100 web", needs: "[probe:memory]", as: "s/^/running; /"},
	{typed: `echo '{"cpu":{"shares":512}}' | sandbox update -r - web`, needs: "[probe:memory]", as: "s/^/running; /", after: "sandbox delete -f web"},
	{typed: "sandbox plan -- true", after: "grep '^granted: ' out"},
	{typed: "sandbox plan -b ./bundle", after: "grep '^granted: ' out"},
}

// TestExamples types every example of the help and the documents, and knows each.
func TestExamples(t *testing.T) {
	h := &harness{bin: binary(t), callers: self(), machine: newMachine()}
	found := typedExamples(t, h.bin)
	for _, text := range found {
		if !slices.ContainsFunc(examples, func(e example) bool { return e.typed == text }) {
			t.Errorf("%q is told to people, and nothing types it here", text)
		}
	}
	var script strings.Builder
	script.WriteString("[!probe:busybox] skip\n[!probe:userns] skip\nrootfs rootfs\nbundle bundle sh -c 'echo served; exec sleep 0.3'\nexec sh -e prepare\n")
	for i, e := range examples {
		if !slices.Contains(found, e.typed) {
			t.Errorf("%q is in no help and no document", e.typed)
		}
		if e.why == "" {
			script.WriteString(e.step(i))
		}
	}
	script.WriteString("exec sh -c '. ./words; sandbox delete -f web'\n-- input --\nexit 3\n")
	words, err := os.ReadFile("testdata/examples.sh")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&script, "-- words --\n%s\n-- prepare --\n. ./words\nprepare\n", words)
	for i, e := range examples {
		fmt.Fprintf(&script, "-- typed%d --\n%s\n-- then%d --\n. ./words\n%s\n", i, e.typed, i, strings.TrimSpace(e.after))
	}
	file := filepath.Join(t.TempDir(), "examples.txtar")
	if err := os.WriteFile(file, []byte(script.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	p := h.params([]string{file})
	p.Setup = func(env *testscript.Env) error {
		path, err := busybox()
		env.Setenv("BUSYBOX", path)
		if err != nil {
			env.Setenv("BUSYBOX", "") // the script is skipped
		}
		return h.setup(env)
	}
	testscript.Run(t, p)
}

// step are the lines of the script that type an example.
func (e example) step(i int) string {
	if e.tty {
		return fmt.Sprintf("%s terminal -in input 3 sh type%s %d '%s'\n", e.needs, "", i, e.as)
	}
	return fmt.Sprintf("%[1]s status 0 sh type %[2]d '%[3]s'\n%[1]s exec sh -e then%[2]d\n", e.needs, i, strings.ReplaceAll(e.as, "'", "''"))
}

// typedExamples are the lines of blocks and the code in the text of the documents, and what the help has under EXAMPLES.
// What has a word in capitals in it shows a form.
func typedExamples(t *testing.T, bin string) []string {
	t.Helper()
	var found []string
	add := func(text string) {
		text, _, _ = strings.Cut(strings.TrimPrefix(text, "$ "), "   #")
		if text = strings.TrimSpace(text); !slices.Contains(found, text) {
			found = append(found, text)
		}
	}
	documents, err := filepath.Glob("../docs/*.md")
	if err != nil || len(documents) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	for _, file := range append(documents, "../README.md", "../SECURITY.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range commandLines(string(text)) {
			add(line)
		}
	}
	out, err := exec.Command(bin, "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(out), "\nCOMMANDS:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for line := range strings.Lines(list) {
		help, err := exec.Command(bin, strings.Fields(line)[0], "--help").Output()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		_, part, _ := strings.Cut(string(help), "\nEXAMPLES:\n")
		part, _, _ = strings.Cut(part, "\n\n")
		for line := range strings.Lines(part) {
			add(line)
		}
	}
	return found
}

var (
	span        = regexp.MustCompile("`((?:\\./)?sandbox [^`]*|sudo [^`]*)`")
	placeholder = regexp.MustCompile(`\b(ID|CMD|ROOTFS|BUNDLE|CODE|USER|DIR|PATH|NAME|FILE|PORT)\b|\.\.\.$|__`)
	alone       = regexp.MustCompile(`^sandbox [a-z]+( --|( [a-z]+))?$|^sudo -u$`) // the name of a command, and no line
)

// commandLines are the commands of a document.
func commandLines(text string) (found []string) {
	lines := strings.Split(text, "\n")
	block, dollar := false, false
	for i, line := range lines {
		indented := strings.HasPrefix(line, "    ") && strings.TrimSpace(line) != ""
		switch {
		case !indented:
			block, dollar = false, false
		case !block && i > 0 && strings.TrimSpace(lines[i-1]) == "":
			block = true
		}
		if !block {
			for _, m := range span.FindAllStringSubmatch(line, -1) {
				if !placeholder.MatchString(m[1]) && !alone.MatchString(m[1]) {
					found = append(found, m[1])
				}
			}
			continue
		}
		text := strings.TrimSpace(line)
		dollar = dollar || strings.HasPrefix(text, "$ ")
		if regexp.MustCompile(`^[A-Z_]*=?[\w$./ -]`).MatchString(text) && (!dollar || strings.HasPrefix(text, "$ ")) && !strings.Contains(text, " → ") {
			found = append(found, text)
		}
	}
	return found
}

func TestCommandLines(t *testing.T) {
	got := commandLines("Words `sandbox run -- make x` and `sandbox state ID`, `sandbox stats`.\n\n    $ sandbox run a\n    its output\n\n- an item\n    that goes on `sudo apt install x`\n\n    sudo one\n    two --x\n")
	want := []string{"sandbox run -- make x", "$ sandbox run a", "sudo apt install x", "sudo one", "two --x"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
