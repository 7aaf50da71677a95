package idmap

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// statusOf writes the lines of /proc/self/status that count.
func statusOf(noNewPrivs, capEff, capBnd string) string {
	return "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t" + capEff + "\nCapBnd:\t" + capBnd +
		"\nNoNewPrivs:\t" + noNewPrivs + "\nSeccomp:\t0\n"
}

const (
	noCaps     = "0000000000000000"
	allCaps    = "000001ffffffffff"
	dockerCaps = "00000000a80425fb" // has SETUID, SETGID and SETFCAP, not SYS_ADMIN
	wholeMap   = "         0          0 4294967295\n"
)

// fakeHost is a host where a subordinate map works for alice; files replace what
// is there by path below the root, and "" removes it.
func fakeHost(t *testing.T, files map[string]string) Host {
	t.Helper()
	root := t.TempDir()
	all := map[string]string{
		"etc/subuid":        "root:500000:65536\nalice:100000:65536\n",
		"etc/subgid":        "alice:200000:65536\n",
		"etc/passwd":        "root:x:0:0::/root:/bin/sh\nalice:x:1000:1001::/home/alice:/bin/sh\n",
		"proc/self/status":  statusOf("0", noCaps, allCaps),
		"proc/self/uid_map": wholeMap,
		"proc/self/gid_map": wholeMap,
		"bin/newuidmap":     "#!/bin/sh\n",
		"bin/newgidmap":     "#!/bin/sh\n",
	}
	for name, content := range files {
		all[name] = content
	}
	for name, content := range all {
		if content != "" {
			put(t, filepath.Join(root, name), content, 0o755)
		}
	}
	return Host{
		Etc:  filepath.Join(root, "etc"),
		Proc: filepath.Join(root, "proc"),
		Dirs: []string{filepath.Join(root, "bin"), filepath.Join(root, "bin2")},
		look: setuidRoot,
	}
}

// setuidRoot sees every file that exists as the distribution would install it,
// which a test cannot do without privilege.
func setuidRoot(path string) (copyFacts, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return copyFacts{}, err
	}
	return copyFacts{mode: syscall.S_IFREG | syscall.S_ISUID | 0o755, executable: true}, nil
}

func put(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// only sees the given copies and no others.
func only(copies map[string]copyFacts) func(string) (copyFacts, error) {
	return func(path string) (copyFacts, error) {
		parts := strings.Split(path, "/")
		facts, ok := copies[strings.Join(parts[len(parts)-2:], "/")]
		if !ok {
			return copyFacts{}, errors.New("not there")
		}
		return facts, nil
	}
}
