package worktree

import (
	"time"

	"golang.org/x/sys/unix"
)

// Pass returns when what is made from now on has a later time than the guard: file times come from a clock that ticks, every
// 1 to 10 ms. A start takes about as long.
func (g *Guard) Pass() {
	for try := range 1000 {
		var now unix.Timespec
		if unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now) != nil || later(now, g.since) {
			return
		}
		if try == 0 && later(stamp(), g.since) {
			return
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// stamp makes the kernel give out an exact time: it does where a file's time was looked at before, and no file gets an
// earlier one after that (Linux 6.13, commit 4e40eff0b573). The zero time is that of kernels that do not.
func stamp() unix.Timespec {
	fd, err := unix.MemfdCreate("time", unix.MFD_CLOEXEC)
	if err != nil {
		return unix.Timespec{}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || unix.Fchmod(fd, 0o600) != nil || unix.Fstat(fd, &st) != nil {
		return unix.Timespec{}
	}
	return st.Ctim
}

func later(t, than unix.Timespec) bool {
	return t.Sec > than.Sec || t.Sec == than.Sec && t.Nsec > than.Nsec
}

// born says whether a file came into being since the start, where the file system says when (all usual ones but NFS).
func (g *Guard) born(st *unix.Statx_t) bool {
	return st.Mask&unix.STATX_BTIME != 0 && g.during(st.Btime)
}

// during says whether a time is one of the command's, see [Guard.Pass].
func (g *Guard) during(t unix.StatxTimestamp) bool {
	return later(unix.Timespec{Sec: t.Sec, Nsec: int64(t.Nsec)}, g.since)
}
