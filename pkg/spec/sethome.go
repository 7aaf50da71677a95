package spec

import (
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"sandbox/pkg/handle"
)

// SetHome gives a process without HOME, or with an empty one, that of its user in the passwd file of a root, "/" where there is
// none, as runc does (nil is a root that cannot be looked at): login shells and most tools do not work without.
func SetHome(p *specs.Process, root *handle.Handle) {
	switch at := slices.IndexFunc(p.Env, func(e string) bool { return strings.HasPrefix(e, "HOME=") }); {
	case at < 0:
		p.Env = append(p.Env, homeOf(p.User.UID, root))
	case p.Env[at] == "HOME=":
		p.Env[at] = homeOf(p.User.UID, root)
	}
}

// ForgetHome drops what SetHome gave a process, for one that is to be another user's.
func ForgetHome(p *specs.Process, uid uint32, root *handle.Handle) {
	home := homeOf(uid, root)
	p.Env = slices.DeleteFunc(slices.Clone(p.Env), func(e string) bool { return e == home })
}

func homeOf(uid uint32, root *handle.Handle) string {
	home := "/"
	if root == nil {
		return "HOME=/"
	}
	if data, err := readInRoot(root, "/etc/passwd", maxUserFile); err == nil {
		if a, ok := findAccount(data, strconv.FormatUint(uint64(uid), 10)); ok && a.home != "" {
			home = a.home
		}
	}
	return "HOME=" + home
}
