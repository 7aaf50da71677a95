package spec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/proc"
	"sandbox/pkg/worktree"
)

// cameByLink refuses a working directory that a shell has come to through a link which is followed nowhere else either
// ([builder.typed]): a command may have left `sub -> ~/.ssh` for the next `cd sub`, and may have taken the link away since.
// The shell's word for its way is $PWD; a program that has changed its directory since leaves another one's there, which says
// nothing.
func (b *builder) cameByLink() error {
	relative := func(path string) bool { return !filepath.IsAbs(path) }
	shared := b.wish.Tree && b.caller.Cwd != "/" // which is shared in no form; after a chroot(2) the way is one in another root
	return b.cameByLinkTo(shared || slices.ContainsFunc(b.wish.sources(), relative))
}

// cameByLinkTo is that where it matters what the working directory is.
func (b *builder) cameByLinkTo(used bool) error {
	way := last(b.caller.Env, "PWD")
	if b.caller.Dir == nil || way == b.caller.Cwd || !filepath.IsAbs(way) || !used {
		return nil
	}
	linked, leads := b.wayNow(way)
	switch {
	case leads && !linked:
		return nil
	case leads:
		return fmt.Errorf("the working directory is %s behind a link, which a command that ran here before may have put there: if that is meant, cd %[1]s first", worktree.Quote(b.caller.Cwd))
	}
	if b.caller.Began == nil || under(b.caller.Cwd, way) || !b.changedOn(way, b.caller.Began(b.caller.Dir.ID)) {
		return nil
	}
	return fmt.Errorf("the working directory is %s, and %s, by which a shell came to it, leads there no more: if it is meant, cd %[1]s first", worktree.Quote(b.caller.Cwd), worktree.Quote(way))
}

// wayNow says whether a way leads to the working directory, and whether through a link that is not followed.
func (b *builder) wayNow(way string) (linked, leads bool) {
	h, _, err := b.openTyped(way)
	if linked = errors.Is(err, unix.EXDEV); linked {
		h, err = b.open(way)
	}
	if err != nil {
		return linked, false
	}
	defer h.Close()
	return linked, h.ID == b.caller.Dir.ID
}

// Began is when the first of those has begun that have this working directory and stand in a row, we and those above us: a
// shell, timeout(1), and a shell that has become this program.
func Began(dir handle.ID) (began time.Time) {
	var up, now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) // which the kernel has since 2.6.39
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &now)
	const tick = int64(time.Second / 100) // USER_HZ, of proc_pid_stat(5)
	for pid := os.Getpid(); pid > 0; {
		var st unix.Stat_t
		if unix.Stat("/proc/"+strconv.Itoa(pid)+"/cwd", &st) != nil || (handle.ID{Dev: st.Dev, Ino: st.Ino}) != dir {
			break
		}
		s, err := proc.Look(pid)
		if err != nil {
			break
		}
		began, pid = time.Unix(0, now.Nano()-up.Nano()+int64(s.Begin)*tick), s.Parent
	}
	return began
}

// changedOn says whether something on a way, and behind its links, has come to its name or has left it since then, where a
// command may have seen to that: a rename changes the time of what is renamed, and of the directory.
func (b *builder) changedOn(way string, since time.Time) bool {
	at, err := b.open("/")
	if err != nil {
		return true
	}
	t := &trail{b: b, since: since, at: at, left: names(way)}
	defer func() { t.at.Close() }()
	for steps := 0; len(t.left) > 0; steps++ {
		if more, changed := t.step(); !more || steps > 100*mostLinks {
			return changed || more
		}
	}
	return false
}

// trail is a way that is looked at name by name.
type trail struct {
	b       *builder
	since   time.Time
	at      *handle.Handle
	left    []string
	foreign bool // a command may have put what lies here
}

// step goes one name on, unless that says enough: that it has changed, or leads nowhere.
func (t *trail) step() (more, changed bool) {
	name := t.left[0]
	t.left = t.left[1:]
	var dir, st unix.Stat_t
	if unix.Fstat(t.at.FD, &dir) != nil {
		return false, true
	}
	t.foreign = t.foreign || t.b.foreign(t.at.Path, &dir)
	if unix.Fstatat(t.at.FD, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return false, t.foreign && t.late(&dir)
	}
	if t.foreign && t.late(&st) && t.late(&dir) { // a file made in a directory changes the time of that alone
		return false, true
	}
	next, err := handle.At(t.at.FD, name, filepath.Join(t.at.Path, name))
	if err == nil && next.Kind() == unix.S_IFLNK {
		next, err = t.follow(next)
	}
	if err != nil {
		return false, t.foreign
	}
	t.at.Close()
	t.at = next
	return true, false
}

// follow puts what a link says before the rest of the way, and is where that begins.
func (t *trail) follow(link *handle.Handle) (*handle.Handle, error) {
	defer link.Close()
	target, err := link.Target()
	if err != nil {
		return nil, err
	}
	t.left = append(names(target), t.left...)
	if filepath.IsAbs(target) {
		return t.b.open("/")
	}
	return t.at.Dup()
}

func (t *trail) late(st *unix.Stat_t) bool { return !time.Unix(st.Ctim.Unix()).Before(t.since) }

func names(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(name string) bool { return name == "" })
}

// last is the value of a variable: of two with one name a shell has the second.
func last(env []string, name string) (value string) {
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}
