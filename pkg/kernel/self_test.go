package kernel

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sandbox/pkg/printable"
)

func TestSelf(t *testing.T) {
	f := fakeHost(t, files{"proc/self/status": "Uid:\t1000\t1001\t1002\t1003\nGid:\t5\t6\t7\t8\nGroups:\t27 1000 \nCapPrm:\t3\nCapEff:\t0000000000200000\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\nSeccomp:\t2\n"}).Self()
	if f.Err != nil || f.UID != 1000 || f.EUID != 1001 || f.GID != 5 || f.EGID != 6 || !reflect.DeepEqual(f.Groups, []uint32{27, 1000}) {
		t.Errorf("got %+v", f)
	}
	if !f.Has(unix.CAP_SYS_ADMIN) || f.Has(unix.CAP_CHOWN) || f.Has(64) || f.Has(-1) || f.CapPrm != 3 || f.CapBnd != 1<<41-1 || !f.NoNewPrivs || f.Seccomp != 2 {
		t.Errorf("got %+v", f)
	}
	if !f.InitialUserns() {
		t.Error("0 0 4294967295 is the initial user namespace")
	}
	if fakeHost(t, files{"proc/self/uid_map": "0 0 4294967294\n"}).Self().InitialUserns() {
		t.Error("a nearly whole map is not the initial user namespace")
	}
	if (Facts{}).InitialUserns() {
		t.Error("facts of nobody are of no namespace")
	}
}

// The real host, where the system calls say the same.
func TestSelfHere(t *testing.T) {
	f := Host{}.Self()
	if f.Err != nil {
		t.Skip("no /proc here:", f.Err)
	}
	if int(f.UID) != os.Getuid() || int(f.EUID) != os.Geteuid() || int(f.EGID) != os.Getegid() {
		t.Errorf("got %+v", f)
	}
}

func TestSelfWithoutProc(t *testing.T) {
	for _, h := range []Host{{Proc: t.TempDir()}, fakeHost(t, files{"proc/self/status": "Uid:\tx\n"}), fakeHost(t, files{"proc/self/status": "Name: x\n"})} {
		f := h.Self()
		if f.Err == nil || int(f.EUID) != os.Geteuid() || f.CapEff != 0 {
			t.Errorf("got %+v", f)
		}
	}
}

// What stands in for a file of /proc may be anything, and must neither block
// nor fill the memory.
func TestReadHostile(t *testing.T) {
	dir := t.TempDir()
	fifo, big := filepath.Join(dir, "fifo"), filepath.Join(dir, "big")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(big, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(big, 1<<33); err != nil {
		t.Fatal(err)
	}
	if got := read(fifo) + read(dir) + read(filepath.Join(dir, "missing")); got != "" {
		t.Errorf("got %q", got)
	}
}

func BenchmarkSelf(b *testing.B) {
	for b.Loop() {
		if (Host{}).Self().Err != nil {
			b.Skip("no /proc here")
		}
	}
}

func TestParseStatusRefuses(t *testing.T) {
	for _, bad := range []string{
		"", "Uid: 1 2 3\n", "Uid: 1 2 3 4294967296\n", "Uid: -1 0 0 0\n", changed(userStatus, "CapEff:\t0000000000000000", "CapEff:\t1 2"),
		changed(userStatus, "Seccomp:\t0", "Seccomp:\ttwo"), changed(userStatus, "27 1000", "27 x"), changed(userStatus, "CapBnd:\t0", "CapBnd:\t0ffffffffffffffff"),
	} {
		if f, err := parseStatus(bad); err == nil {
			t.Errorf("%q was taken as %+v", bad, f)
		}
	}
	if _, err := parseStatus("Uid: " + strings.Repeat("9", 10000)); err == nil || len(err.Error()) > 200 {
		t.Errorf("got an error of %d bytes", len(err.Error()))
	}
}

func TestParseMountinfo(t *testing.T) {
	all := parseMountinfo("36 35 98:0 /mnt1 /my\\040dir\\134\\011x rw,noatime master:1 shared:7 - ext3 /dev/root rw\ngarbage\n1 2 3 - \nx 1 0:1 / / rw - a b c\n37 36 0:1 / /y rw - fuse.sshfs\n")
	want := []mount{{36, 35, "98:0", "/mnt1", "/my dir\\\tx", "rw,noatime", "ext3", "rw", "/dev/root"}, {37, 36, "0:1", "/", "/y", "rw", "fuse.sshfs", "fuse.sshfs", ""}}
	if !reflect.DeepEqual(all, want) {
		t.Errorf("got %+v", all)
	}
	if m, ok := mountOf(parseMountinfo(hostMounts), "/home/ann/nfs/a"); !ok || m.fstype != "nfs4" {
		t.Errorf("got %+v", m)
	}
	twice := parseMountinfo("1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / / rw - tmpfs y rw\n")
	if m, _ := mountOf(twice, "/a"); m.fstype != "tmpfs" {
		t.Errorf("the hidden mount was taken: %+v", m)
	}
	if got := below(parseMountinfo(hostMounts), "/home"); !reflect.DeepEqual(got, []string{"/home/ann/nfs"}) {
		t.Errorf("got %q", got)
	}
}

func TestOlderThan5(t *testing.T) {
	for release, want := range map[string]bool{
		"5.11.22": true, "4.18.0-553.el8": true, "3.10": true, "5.9-rc1": true, "5.12": false, "5.12.0-rc1": false,
		"5.100": false, "6.1": false, "": false, "x.y": false, "5": false, "5.": false, "99999999999999999999.1": false,
	} {
		if got := olderThan5(release, 12); got != want {
			t.Errorf("%q: got %v", release, got)
		}
	}
}

func TestExe(t *testing.T) {
	for exe, want := range map[string]string{
		"/usr/bin/sandbox": "/usr/bin/sandbox", "/home/a/sandbox (deleted)": "/home/a/sandbox", "/memfd:sandbox (deleted)": "", "sandbox": "", "/a\nb": "",
	} {
		if got := (Host{Exe: exe}).exe(); got != want {
			t.Errorf("%q: got %q", exe, got)
		}
	}
}

func TestAppArmorProfile(t *testing.T) {
	file, text := AppArmorProfile("/home/ann b/[x]/sand'box")
	if file != "/etc/apparmor.d/home.ann_b._x_.sand_box" {
		t.Errorf("got %s", file)
	}
	want := "abi <abi/4.0>,\ninclude <tunables/global>\n\nprofile home.ann_b._x_.sand_box \"/home/ann b/\\[x\\]/sand'box\" flags=(unconfined) {\n  userns,\n}\n"
	if text != want {
		t.Errorf("got %s", text)
	}
	h := fakeHost(t, files{restrictSysctl: "1\n"})
	h.Exe = "/home/o'brien/sandbox"
	c, _ := h.Explain(Op{Do: WriteIDMap}, unix.EPERM)
	if !strings.Contains(c.String(), `/home/o'\''brien/sandbox"`) {
		t.Errorf("not safe to paste: %s", c)
	}
	if !strings.Contains(c.Long(), "  userns,\n") {
		t.Errorf("no profile in %s", c.Long())
	}
}

func FuzzStatus(f *testing.F) {
	f.Add(userStatus)
	f.Add("Uid:\t0\t0\t0\t0\nSeccomp: 99999999999999999999\n")
	f.Fuzz(func(t *testing.T, text string) {
		if facts, err := parseStatus(text); err != nil && !reflect.DeepEqual(facts, Facts{}) {
			t.Errorf("facts besides an error: %+v", facts)
		}
	})
}

func FuzzMountinfo(f *testing.F) {
	f.Add(hostMounts, "/home/ann")
	f.Add("1 0 0:1 / /\\ rw - x", "/")
	f.Add("1 0 0:1 / /\\04 rw - x\n1 0 0:1 / \\777 rw - x", "")
	f.Fuzz(func(t *testing.T, text, dir string) {
		all := parseMountinfo(text)
		for _, p := range below(all, dir) {
			if !under(p, dir) || p == dir {
				t.Errorf("%q is not below %q", p, dir)
			}
		}
		if m, ok := mountOf(all, dir); ok && !under(dir, m.point) {
			t.Errorf("%q is not on %q", dir, m.point)
		}
		hidden(all, "proc", procEmpty)
		cgroupTree(all)
	})
}

func FuzzProcTables(f *testing.F) {
	f.Add(limitsText)
	f.Add(" 1000:   200 200/200 200/200 5000/20000\n")
	f.Fuzz(func(t *testing.T, text string) {
		parseLimits(text)
		parseKeyUsers(text, 1000)
		olderThan5(text, 12)
		if strings.ContainsAny(printable.Text(text), "\n\x1b") {
			t.Error("more than one line")
		}
	})
}
