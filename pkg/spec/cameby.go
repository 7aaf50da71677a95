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
	way := last(b.caller.Env, "PWD")
	relative := func(path string) bool { return !filepath.IsAbs(path) }
	if b.caller.Dir == nil || way == b.caller.Cwd || relative(way) || !b.wish.Tree && !slices.ContainsFunc(b.wish.sources(), relative) {
		return nil
	}
	linked, leads := b.wayNow(way)
	switch {
	case leads && !linked:
		return nil
	case leads:
		return fmt.Errorf("the working directory is %s behind a link, which a command that ran here before may have put there: if that is meant, cd %[1]s first", worktree.Quote(b.caller.Cwd))
	}
	since, here := b.shellBegan()
	if !here || under(way, b.caller.Cwd) || under(b.caller.Cwd, way) || !b.changedOn(way, since) {
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

// shellBegan is when the first of those has begun that stand above us in a row and have our working directory: a shell, and
// perhaps timeout(1). False: not even our parent has, as far as it lets us see (sudo(8) passes no $PWD on), so that $PWD is not
// about it.
func (b *builder) shellBegan() (began time.Time, here bool) {
	var up, now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) // which the kernel has since 2.6.39
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &now)
	const tick = int64(time.Second / 100) // USER_HZ, of proc_pid_stat(5)
	for pid := os.Getppid(); pid > 0; {
		var st unix.Stat_t
		if unix.Stat("/proc/"+strconv.Itoa(pid)+"/cwd", &st) != nil || (handle.ID{Dev: st.Dev, Ino: st.Ino}) != b.caller.Dir.ID {
			break
		}
		s, err := proc.Look(pid)
		if err != nil {
			break
		}
		here, began = true, time.Unix(0, now.Nano()-up.Nano()+int64(s.Begin)*tick)
		pid = s.Parent
	}
	return began, here
}

// changedOn says whether something on a way has come to its name, or has left it, since then, where a command may have seen to
// that: a rename changes the time of what is renamed.
func (b *builder) changedOn(way string, since time.Time) bool {
	at, err := b.open("/")
	if err != nil {
		return true
	}
	defer func() { at.Close() }()
	foreign := false
	for name := range strings.SplitSeq(strings.Trim(way, "/"), "/") {
		var st unix.Stat_t
		if unix.Fstat(at.FD, &st) != nil {
			return true
		}
		foreign = foreign || b.foreign(at.Path, &st)
		if foreign && (unix.Fstatat(at.FD, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || !time.Unix(st.Ctim.Unix()).Before(since)) {
			return true
		}
		next, err := at.Open(name)
		if err != nil {
			return foreign
		}
		at.Close()
		at = next
	}
	return false
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
