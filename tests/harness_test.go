package tests

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// harness is what one run of TestScripts knows; one value of it serves every script.
type harness struct {
	bin     string // the binary under test; empty in the harness's own tests
	callers caller
	machine *machine
}

// params joins the harness to testscript's runner.
func (h *harness) params(files []string) testscript.Params {
	return testscript.Params{
		Files:               files,
		Setup:               h.setup,
		Condition:           h.condition,
		Cmds:                h.commands(),
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
	}
}

// setup gives a script directories of its own, beside $WORK and not in it (see the package documentation), and arranges
// for the check of what it leaves.
func (h *harness) setup(env *testscript.Env) error {
	side, err := os.MkdirTemp("", "sbx")
	if err != nil {
		return err
	}
	env.Defer(func() { os.RemoveAll(side) })
	for _, dir := range []string{"home", "run", "tmp", "bin"} {
		// 0700 is what XDG_RUNTIME_DIR demands of its owner (basedir-spec), and right for the others too.
		if err := os.Mkdir(filepath.Join(side, dir), 0o700); err != nil {
			return err
		}
	}
	env.Setenv("HOME", filepath.Join(side, "home"))
	env.Setenv("XDG_RUNTIME_DIR", filepath.Join(side, "run"))
	env.Setenv("TMPDIR", filepath.Join(side, "tmp"))
	env.Setenv("ID", strings.TrimPrefix(filepath.Base(side), "sbx")+"-"+strconv.Itoa(os.Getpid()))
	for _, name := range []string{"USER", "LOGNAME", "LANG", "SHELL", "DBUS_SESSION_BUS_ADDRESS", "SANDBOX_LINKED"} {
		if v, ok := os.LookupEnv(name); ok {
			env.Setenv(name, v)
		}
	}
	for name, usual := range map[string]string{"LOOK": "8", "RACE": "3"} {
		env.Setenv(name, cmp.Or(os.Getenv("SANDBOX_TEST_"+name), usual))
	}
	if h.bin == "" {
		return nil
	}
	env.Setenv("SANDBOX_BIN", h.bin)
	env.Setenv("SHOW_BIN", "--volume="+h.bin+":"+h.bin+":ro")
	env.Setenv("PATH", filepath.Join(side, "bin")+string(os.PathListSeparator)+env.Getenv("PATH"))
	if err := h.installName(filepath.Join(side, "bin", "sandbox"), filepath.Join(side, "run", "sandbox")); err != nil {
		return err
	}
	leaks := leakCheck{dirs: []string{env.WorkDir, side}, vars: env.Vars, dir: env.WorkDir, sandbox: filepath.Join(side, "bin", "sandbox")}
	t := env.T().(testing.TB)
	env.Defer(func() {
		for _, left := range leaks.sweep() {
			t.Errorf("the script left %s", left)
		}
	})
	return nil
}

// installName puts `sandbox` on the script's PATH. A link and not a copy: whether the binary is root-owned decides whether
// the container could write it, and a copy by the caller would hide that path.
func (h *harness) installName(name, root string) error {
	if !h.callers.root() {
		return os.Symlink(h.bin, name)
	}
	if err := os.Mkdir(root, 0o700); err != nil {
		return err // a --root that is typed has to be there for `list`
	}
	line := fmt.Sprintf("#!/bin/sh\nexec '%s' --root '%s' \"$@\"\n", h.bin, root)
	syscall.ForkLock.RLock() // what is forked for another script meanwhile would hold the file open, and nobody could execute it
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(name, []byte(line), 0o755)
}

func (h *harness) condition(cond string) (bool, error) {
	if name, ok := strings.CutPrefix(cond, "probe:"); ok {
		return h.machine.probe(name)
	}
	switch cond {
	case "root":
		return h.callers.root(), nil
	case "user":
		return !h.callers.root(), nil
	case "subids":
		return h.callers.subids() == nil, nil
	}
	return false, fmt.Errorf("no such condition; a fact of the machine is [probe:NAME]")
}

// binary finds or builds what is under test. A built one is static, as the shipped one is: a container's root has no loader.
func binary(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv("SANDBOX_BIN"); bin != "" {
		abs, err := filepath.Abs(bin)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(abs); err != nil {
			t.Fatalf("SANDBOX_BIN: %v", err)
		}
		return abs
	}
	if _, err := exec.LookPath("go"); err != nil {
		newMachine().skipUnless(t, "exec:go")
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "sandbox")
	cmd := exec.Command("go", "build", "-o", dir, "./cmd/...")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the binary under test: %v\n%s", err, out)
	}
	return bin
}
