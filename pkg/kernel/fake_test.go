package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A host where everything works, seen by an ordinary user.
var plainHost = map[string]string{
	"proc/self/status":                  userStatus,
	"proc/self/uid_map":                 "         0          0 4294967295\n",
	"proc/self/gid_map":                 "         0          0 4294967295\n",
	"proc/self/setgroups":               "allow\n",
	"proc/self/mountinfo":               hostMounts,
	"proc/1/mountinfo":                  hostMounts,
	"proc/self/ns/mnt":                  "",
	"proc/self/ns/user":                 "",
	"proc/self/cgroup":                  "0::/user.slice/user-1000.slice/session-1.scope\n",
	"proc/self/oom_score_adj":           "200\n",
	"proc/self/limits":                  limitsText,
	"proc/key-users":                    " 1000:   200 200/200 200/200 5000/20000\n    0:    46 45/45 33/1000000 864/25000000\n",
	"proc/filesystems":                  "nodev\tproc\nnodev\toverlay\n\text4\n",
	"proc/sys/kernel/osrelease":         "6.1.0-18-amd64\n",
	"proc/sys/kernel/keys/maxkeys":      "200\n",
	"proc/sys/kernel/random/boot_id":    "0a1b2c3d-0000-4000-8000-000000000000\n",
	"proc/sys/user/max_user_namespaces": "96365\n",
	"proc/sys/user/max_net_namespaces":  "96365\n",
	"proc/sys/fs/nr_open":               "1048576\n",
}

const userStatus = "Name:\tsandbox\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t27 1000 \n" +
	"CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\n" +
	"CapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n"

const hostMounts = `22 27 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw
23 27 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:2 - sysfs sysfs rw
24 23 0:29 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate
25 22 0:30 / /proc/sys/fs/binfmt_misc rw,relatime shared:12 - autofs systemd-1 rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
28 27 0:40 / /home/ann/nfs rw,relatime shared:4 - nfs4 server:/home rw
29 27 0:41 / /tmp rw,nosuid,nodev,relatime shared:5 - tmpfs tmpfs rw
`

const limitsText = `Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max open files            1024                 4096                 files     
Max nice priority         0                    0                    
`

// fakeHost makes the plain host with these files changed; "-" removes one.
func fakeHost(t testing.TB, changes map[string]string) Host {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{}
	for name, text := range plainHost {
		files[name] = text
	}
	for name, text := range changes {
		files[name] = text
	}
	for name, text := range files {
		if text == "-" {
			continue
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Host{
		Proc: filepath.Join(dir, "proc"), Sys: filepath.Join(dir, "sys"), Dev: filepath.Join(dir, "dev"),
		Run: filepath.Join(dir, "run"), Var: filepath.Join(dir, "var"), Tmp: dir, Exe: "/home/ann/bin/sandbox",
		Name: func(uid uint32) string { return map[uint32]string{0: "root", 1000: "ann"}[uid] },
		Try:  func(Op) error { return ErrNotTried },
	}
}

// Phrases that clients of OCI runtimes look for in the whole output; see doc.go.
var matchedByClients = []string{
	"does not exist", "container not running", "process already finished", "no such process", "executable file not found",
	"no such file or directory", "permission denied", "operation not permitted", "is a directory", "not a directory", "/attr/exec",
	"failed to run runc",
}

func assertQuiet(t *testing.T, text string) {
	t.Helper()
	for _, phrase := range matchedByClients {
		if strings.Contains(strings.ToLower(text), phrase) {
			t.Errorf("%q holds %q, which clients match", text, phrase)
		}
	}
}

// changed is the text with one line replaced.
func changed(text, from, to string) string {
	if !strings.Contains(text, from) {
		panic(errors.New("no " + from))
	}
	return strings.Replace(text, from, to, 1)
}
