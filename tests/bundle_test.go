package tests

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// applets become links to busybox in a bundle's /bin.
const applets = "sh true false sleep cat ls id ps hostname touch rm mkdir env mount umount echo printf kill tty stty dd wc head " +
	"tail grep sed stat readlink ln cp mv chmod chown df date uname pwd test [ sync seq sort tr cut yes nc ip ulimit nproc whoami"

// etc is what a lookup of users needs; nobody is there for a user that a single-id map cannot have.
var etc = map[string]string{
	"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
	"etc/group":  "root:x:0:\nuser:x:1000:\nextra:x:1001:user\nnogroup:x:65534:\n",
}

// rootfs makes a root filesystem of one static program. Copied, not linked: hard links to a root-owned file are refused to
// ordinary users by fs.protected_hardlinks, and a test may write to it.
func rootfs(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return usageError("rootfs DIR")
	}
	return makeRootfs(ts.MkAbs(args[0]))
}

func makeRootfs(dir string) error {
	from, err := busybox()
	if err != nil {
		return err
	}
	for _, sub := range []string{"bin", "dev", "etc", "home/user", "proc", "root", "run", "sys", "tmp", "var/tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	program, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/busybox"), program, 0o755); err != nil {
		return err
	}
	for name, content := range etc {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	for _, name := range strings.Fields(applets) {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return os.Chmod(filepath.Join(dir, "tmp"), 0o777|fs.ModeSticky)
}

// bundle takes its config.json from the program under test, as a user would.
func (h *harness) bundle(ts *testscript.TestScript, args []string) error {
	if len(args) == 0 {
		return usageError("bundle DIR [ARG...]")
	}
	dir, payload := ts.MkAbs(args[0]), args[1:]
	if err := makeRootfs(filepath.Join(dir, "rootfs")); err != nil {
		return err
	}
	spec := []string{"spec", "-b", dir}
	if !h.callers.root() {
		spec = append(spec, "--rootless")
	}
	if err := ts.Exec("sandbox", spec...); err != nil {
		return err
	}
	config := filepath.Join(dir, "config.json")
	if err := editFile(config, "process.terminal", put(false)); err != nil {
		return err
	}
	if len(payload) == 0 {
		payload = []string{"true"}
	}
	list := make([]any, len(payload))
	for i, arg := range payload {
		list[i] = arg
	}
	return editFile(config, "process.args", put(list))
}
