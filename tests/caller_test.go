package tests

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// caller is who runs the scripts. The roots are fields so that the parser is tested on folders; it is deliberately not
// the product's parser, which is what is under test.
type caller struct {
	uid  int
	name string // empty when the passwd database does not know the uid
	etc  string
	path []string // where newuidmap is looked for after PATH
}

func self() caller {
	c := caller{uid: os.Getuid(), etc: "/etc", path: []string{"/usr/bin", "/bin", "/usr/local/bin"}}
	if u, err := user.LookupId(strconv.Itoa(c.uid)); err == nil {
		c.name = u.Username
	}
	return c
}

func (c caller) root() bool { return c.uid == 0 }

// subids says why the caller cannot map more ids than its own, nil when it can.
func (c caller) subids() error {
	for _, file := range []string{"subuid", "subgid"} {
		if err := c.hasRange(filepath.Join(c.etc, file)); err != nil {
			return err
		}
	}
	for _, prog := range []string{"newuidmap", "newgidmap"} {
		if !c.finds(prog) {
			return fmt.Errorf("%s is not installed", prog)
		}
	}
	return nil
}

func (c caller) hasRange(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		owner, rest, _ := strings.Cut(lines.Text(), ":")
		if owner != strconv.Itoa(c.uid) && (c.name == "" || owner != c.name) {
			continue
		}
		_, count, _ := strings.Cut(rest, ":")
		if n, err := strconv.ParseUint(strings.TrimSpace(count), 10, 32); err == nil && n > 0 {
			return nil
		}
	}
	return fmt.Errorf("no range for uid %d in %s", c.uid, file)
}

func (c caller) finds(prog string) bool {
	if _, err := exec.LookPath(prog); err == nil || errors.Is(err, exec.ErrDot) {
		return err == nil
	}
	for _, dir := range c.path {
		if info, err := os.Stat(filepath.Join(dir, prog)); err == nil && info.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}
