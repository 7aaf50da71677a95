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
	defer func() { at.Close() }()
	changed := func(st *unix.Stat_t) bool { return !time.Unix(st.Ctim.Unix()).Before(since) }
	foreign, left := false, strings.Split(strings.Trim(way, "/"), "/")
	for links := 0; len(left) > 0; left = left[1:] {
		if left[0] == "" {
			continue
		}
		var dir, st unix.Stat_t
		if unix.Fstat(at.FD, &dir) != nil || links > mostLinks {
			return true
		}
		foreign = foreign || b.foreign(at.Path, &dir)
		if unix.Fstatat(at.FD, left[0], &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			return foreign && changed(&dir)
		}
		if foreign && changed(&st) {
			return true
		}
		next, err := handle.At(at.FD, left[0], filepath.Join(at.Path, left[0]))
		if err != nil {
			return foreign
		}
		if next.Kind() != unix.S_IFLNK {
			at.Close()
			at = next
			continue
		}
		target, err := next.Target()
		next.Close()
		if err == nil && filepath.IsAbs(target) {
			next, err = b.open("/")
			if err == nil {
				at.Close()
				at = next
			}
		}
		if err != nil {
			return foreign
		}
		links++
		left = append([]string{""}, append(strings.Split(strings.Trim(target, "/"), "/"), left[1:]...)...)
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
