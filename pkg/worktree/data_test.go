package worktree

import "testing"

// TestIsRef: names that git makes references of, and those that it would write as other files.
func TestIsRef(t *testing.T) {
	for _, name := range []string{"refs/heads/main", "refs/heads/a/b", "refs/tags/v1.0", "refs/remotes/origin/HEAD", "refs/heads/@", "refs/stash", "refs/heads/x{y}", "refs/heads/ü"} {
		if !isRef(name) {
			t.Errorf("%q is none", name)
		}
	}
	for _, name := range []string{"", "refs", "HEAD", "config", "commondir", "refs/", "refs//x", "refs/heads/../../config", "refs/heads/.x", "refs/heads/x.lock", "refs/heads/x.lock/y", "refs/heads/x y", "refs/heads/x\ny", "refs/heads/@{1}", "refs/heads/x.", `refs/heads/x\y`, "/refs/heads/x", "main-worktree/refs/heads/x", "refs/heads/x?"} {
		if isRef(name) {
			t.Errorf("%q is one", name)
		}
	}
}

// TestUnderWay: what git would not have written into the files of what is under way.
func TestUnderWay(t *testing.T) {
	for _, c := range []struct {
		find func([]byte) []string
		data string
		want int
	}{
		{foreignRefs, "refs/heads/a\n0000000000000000000000000000000000000000\n0123456789abcdef0123456789abcdef01234567\n", 0},
		{foreignRefs, "commondir\n0000000000000000000000000000000000000000\n", 1}, {foreignRefs, "refs/heads/a\n../x\n", 1},
		{foreignHead, "refs/heads/main\n", 0}, {foreignHead, "detached HEAD\n", 0}, {foreignHead, "config\n", 1}, {foreignHead, "", 1},
		{foreignApply, " '-C1' '-p2' '--whitespace=fix' '--exclude=a b'", 1}, {foreignApply, " '-C1' '-p2' '--whitespace=fix'\n", 0}, {foreignApply, "", 0},
		{foreignApply, " '--build-fake-ancestor=/home/x'", 1}, {foreignApply, " --unsafe-paths", 1}, {foreignApply, " '--directory=/x'", 1},
	} {
		if got := c.find([]byte(c.data)); len(got) != c.want {
			t.Errorf("%q: %q", c.data, got)
		}
	}
}
