package kernel

import (
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var asRoot = files{"proc/self/status": "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n"}

// A fix can be typed as it stands: what stands for something else is only in what `sandbox explain` says without a host.
func TestFixesHaveNoBareWords(t *testing.T) {
	bare := regexp.MustCompile(`\b(LIMIT|A-B|DEST|PLACE|OPTIONS)\b|\bPATH\b[^=/]|[\x00\x01]|\{[A-Z]+\}`)
	for _, who := range []files{nil, asRoot} {
		h := fakeHost(t, who)
		for _, c := range List() {
			for _, fit := range []Cause{New(c.Code), h.Fit(New(c.Code))} {
				for _, f := range fit.Fixes {
					if got := bare.FindString(f.Do); got != "" && c.Code != UsernsSeccomp {
						t.Errorf("%s: %q in %s", c.Code, got, f.Do)
					}
				}
			}
			if strings.ContainsAny(c.String(), "\x00\x01") {
				t.Errorf("%s: %q", c.Code, c.String())
			}
		}
	}
}

// Fixes are for who asks: what cannot help is not said.
func TestFixesFit(t *testing.T) {
	limits := func(line string) files { return files{"proc/self/limits": "Max processes " + line + " processes\n"} }
	explain := func(changes files, op Op, errno unix.Errno) string {
		c, ok := fakeHost(t, changes).Explain(op, errno)
		if !ok {
			t.Fatalf("no cause of %+v", op)
		}
		return c.String()
	}
	clone, groups := Op{Do: OtherCall, Data: "clone"}, Op{Do: Setgroups, InUserns: true}
	short := Op{Do: Setgroups, InUserns: true, Short: &Who{UID: 4242}}
	locked := Op{Do: Remount, InUserns: true, Path: "/home/ann/nfs", Dest: "/m"}
	nfs := files{"proc/self/mountinfo": changed(hostMounts, "/home/ann/nfs rw,relatime", "/home/ann/nfs ro,noexec,relatime")}
	delegated := New(CgroupDelegated)
	hybrid := files{"proc/cgroups": "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t7\t1\t1\npids\t0\t1\t1\n"}
	for _, c := range []struct{ got, has, hasNot string }{
		{explain(limits("12 12"), clone, unix.EAGAIN), "end some of yours: ps -u 1000 shows them; or (admin) raise nproc", "raise the limit"},
		{explain(limits("12 13"), clone, unix.EAGAIN), "raise the limit: ulimit -u 13;", "TasksMax"},
		{explain(nil, groups, unix.EPERM), "leave out --group-add", "range"},
		{explain(nil, short, unix.EPERM), "leave out --group-add", "usermod"}, // nobody that usermod knows
		{IDMapCause("no-range", "x", Who{UID: 4242}).String(), "--userns=single", "usermod"},
		{IDMapCause("no-range", "x", Who{Name: "ann", NoRoom: true}).String(), "--userns=single", "usermod"},
		{IDMapCause("outside-namespace", "x", Who{Name: "ann", NoRoom: true}).String(), "give the outer container more ids", "usermod"},
		{IDMapCause("map-outside", "x", Who{Name: "root"}).String(), "map only ids that it has", "usermod"},
		{IDMapCause("other-range", "x", Who{Name: "ann"}).String(), "sandbox spec --rootless", "usermod"},
		{explain(nfs, locked, unix.EPERM), "give the mount at /m in config.json the options ro,noexec,relatime; or (admin) sudo mount -o remount,bind,rw,exec /home/ann/nfs", "-v"},
		{New(MountLocked).String(), "locked", "fix"},
		{fakeHost(t, nil).Fit(delegated).String(), "systemctl edit user@.service", "IF"},
		{fakeHost(t, asRoot).Fit(delegated).String(), "systemd-run --scope", "user@"},
		{fakeHost(t, asRoot).Fit(New(CgroupSystemd)).String(), "systemctl status", "--user"},
		{fakeHost(t, nil).Fit(New(CgroupSystemd)).String(), "enable-linger ann", "USER"},
		{fakeHost(t, with(asRoot, hybrid)).LackingController("memory", "/a/b", "").String(), "[SBX-CGROUP-V2]: memory is in hierarchy 7 of version 1", "systemctl"},
		{fakeHost(t, with(asRoot, hybrid)).LackingController("pids", "/a/b", "cpu").String(), "echo +pids > /sys/fs/cgroup/a/cgroup.subtree_control", "user@"},
		{fakeHost(t, hybrid).LackingController("pids", "/a/b", "cpu").String(), "sudo systemctl edit user@.service", "echo"},
		{fakeHost(t, nil).Fit(New(CapsMissing), "UNKNOWN", "CAP_X").String(), "leave out CAP_X, which", "userns"},
		{fakeHost(t, nil).Fit(New(CapsMissing), "IFLIMIT", Holds, "FLAGS", "CAP_KILL --cap-add CAP_CHOWN").String(), "run --cap-add CAP_KILL --cap-add CAP_CHOWN", "single"},
		{fakeHost(t, nil).FitIDs(New(DevptsGid), Op{Range: "--userns=auto"}).String(), "range: --userns=auto", "usermod"},
		{fakeHost(t, nil).FitIDs(New(DevptsGid), Op{Short: &Who{Name: "ann", UID: 1000}}).String(), "usermod --add-subuids", "--userns"},
	} {
		if !strings.Contains(c.got, c.has) || strings.Contains(c.got, c.hasNot) {
			t.Errorf("want %q, and no %q, in %s", c.has, c.hasNot, c.got)
		}
	}
}
