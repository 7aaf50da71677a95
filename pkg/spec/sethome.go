package spec

import (
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// SetHome gives a process without HOME that of its user in the passwd file of a root, "/" where there is
// none, as runc does: login shells and most tools do not work without.
func SetHome(p *specs.Process, root string) {
	for _, e := range p.Env {
		if strings.HasPrefix(e, "HOME=") {
			return
		}
	}
	home := "/"
	if data, err := readInRoot(root, "/etc/passwd", maxUserFile); err == nil {
		if a, ok := findAccount(data, strconv.FormatUint(uint64(p.User.UID), 10)); ok && a.home != "" {
			home = a.home
		}
	}
	p.Env = append(p.Env, "HOME="+home)
}
