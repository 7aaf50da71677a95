package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// place is where one mutant at a time is built and tested: a copy of the tree, the programs, and a user.
type place struct {
	base, src, user string
	timeout         time.Duration
	built           map[string]bool // test programs of the present mutant
	golden          map[string][]string
}

// newPlace makes one. Not below /tmp: `sandbox run -- CMD` has a /tmp of its own, and a sandbox in a sandbox must find the binary.
func newPlace(ctx context.Context, root, user string, timeout time.Duration) (*place, error) {
	base, err := os.MkdirTemp("/var/lib", "sandbox-mutate.")
	if err != nil {
		return nil, err
	}
	p := &place{base: base, src: base + "/src", user: user, timeout: timeout, golden: map[string][]string{}}
	if err := p.fill(ctx, root); err != nil {
		p.remove()
		return nil, err
	}
	return p, nil
}

func (p *place) fill(ctx context.Context, root string) error {
	if err := os.Chmod(p.base, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{"bin", "unit", "home", "run", "tmp", "src"} {
		if err := os.Mkdir(filepath.Join(p.base, dir), 0o755); err != nil {
			return err
		}
	}
	for _, line := range [][]string{
		{"bash", "-c", `tar -cf - --exclude=./.git . | tar -xf - -C "$1" --no-same-owner && chmod -R u=rwX,go=rX "$1"`, "-", p.src},
		{"hack/mutate/users", "make", p.base, p.user},
	} {
		cmd := command(ctx, root, line...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", line[0], err, out)
		}
	}
	return p.build(ctx, "test", "-o", p.scripts(), "-c", "./tests")
}

// remove takes the user with all its processes, and then the files. It is for the end, so nothing interrupts it.
func (p *place) remove() {
	if out, err := command(context.Background(), p.src, "hack/mutate/users", "remove", p.base, p.user).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "mutate: remove the user %s: %v: %s\n", p.user, err, out)
	}
	if err := command(context.Background(), "/", "rm", "-rf", "--one-file-system", p.base).Run(); err != nil {
		fmt.Fprintf(os.Stderr, "mutate: %s could not be removed; is something mounted there?\n", p.base)
	}
}

func (p *place) scripts() string { return p.base + "/bin/scripts.test" }

func (p *place) program() string { return p.base + "/bin/sandbox" }

func (p *place) unit(pkg string) string {
	return p.base + "/unit/" + strings.ReplaceAll(pkg, "/", "-") + ".test"
}

// build is `go` with these words. Paths are trimmed, so that what a mutant does not change is taken from the cache.
func (p *place) build(ctx context.Context, words ...string) error {
	cmd := command(ctx, p.src, append([]string{"go", words[0], "-trimpath"}, words[1:]...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w: %s", strings.Join(words, " "), err, out)
	}
	return nil
}

// make builds a program of the present mutant where that has not been done: many mutants want only one of them.
func (p *place) make(ctx context.Context, program string, words ...string) error {
	if p.built[program] {
		return nil
	}
	if err := p.build(ctx, slices.Insert(words, 1, "-o", program)...); err != nil {
		return err
	}
	p.built[program] = true
	return nil
}

// outcome is what became of a test program.
type outcome struct {
	failed  []string // tests
	left    []string // behind
	skipped []string
	line    string // what the first one said
}

// test runs one. An error is that it could not be run at all.
func (p *place) test(ctx context.Context, t test, skip string, patience time.Duration) (*outcome, error) {
	who := map[string]string{"root": "root", "user": p.user}[t.who]
	dir, program, arg := p.src+"/tests", p.scripts(), ""
	if t.name != "" {
		arg = "^TestScripts$/^(" + t.name + ")$"
	}
	if t.unit == "" {
		for program, source := range map[string]string{p.program(): "./cmd/sandbox", p.program() + "-image": "./cmd/sandbox-image"} {
			if err := p.make(ctx, program, "build", source); err != nil {
				return nil, err
			}
		}
	} else {
		dir, program, arg = filepath.Join(p.src, t.unit), p.unit(t.unit), t.name
		if err := p.make(ctx, program, "test", "-c", "./"+t.unit); err != nil {
			return nil, err
		}
		golden, err := p.goldenOf(t.unit)
		if err != nil {
			return nil, err
		}
		if len(golden) > 0 {
			skip = "^(" + strings.Join(golden, "|") + ")$"
		}
	}
	late, cancel := context.WithTimeout(ctx, patience+time.Minute)
	defer cancel()
	cmd := command(late, p.src, "hack/mutate/users", "run", p.base, who, dir, "SANDBOX_BIN="+p.program(), "BUSYBOX="+busybox(), program,
		"-test.v", "-test.timeout="+patience.String(), "-test.run="+arg, "-test.skip="+skip)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	o := read(string(out))
	if err != nil && len(o.failed) == 0 {
		o.failed = []string{"the end of the test program (" + err.Error() + ")"} // a panic, a timeout
	}
	o.failed = append(o.failed, o.left...)
	return o, nil
}

func (p *place) goldenOf(pkg string) ([]string, error) {
	if _, known := p.golden[pkg]; !known {
		list, err := goldenTests(filepath.Join(p.src, pkg))
		if err != nil {
			return nil, err
		}
		p.golden[pkg] = list
	}
	return p.golden[pkg], nil
}

// unitSays is a line of t.Error's.
var unitSays = regexp.MustCompile(`^\w+_test\.go:\d+: `)

// read takes the output of a test program apart. What is left in the groups of the machine may be another run's, and does not count.
func read(output string) *outcome {
	o := &outcome{}
	for line := range strings.Lines(output) {
		text := strings.TrimSpace(line)
		for _, left := range []string{"LEFT-PROCESS", "LEFT-MOUNT"} {
			if strings.HasPrefix(line, left) {
				o.left = append(o.left, text)
			}
		}
		for start, list := range map[string]*[]string{"--- FAIL: ": &o.failed, "--- SKIP: ": &o.skipped} {
			if name, is := strings.CutPrefix(text, start); is {
				name, _, _ = strings.Cut(name, " ")
				*list = append(*list, strings.TrimPrefix(name, "TestScripts/"))
			}
		}
		if says, is := strings.CutPrefix(text, "FAIL: "); is && o.line == "" {
			o.line = says
		}
		if o.line == "" && unitSays.MatchString(text) && !strings.Contains(text, "SKIP-PROBE") {
			o.line = text
		}
	}
	o.failed = slices.DeleteFunc(o.failed, func(name string) bool { return name == "TestScripts" && len(o.failed) > 1 })
	return o
}

// command is a program that ends with the context, with all that it has started: those that matter are in a pid namespace whose
// first process ends with it.
func command(ctx context.Context, dir string, line ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Dir = dir
	if strings.Contains(line[0], "/") {
		cmd.Path = filepath.Join(dir, line[0])
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// busybox is a static one, as hack/test finds it.
func busybox() string {
	out, _ := exec.Command("bash", "-c", ". hack/packages.sh; static_busybox").Output()
	return string(bytes.TrimSpace(out))
}
