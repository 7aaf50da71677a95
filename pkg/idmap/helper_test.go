package idmap

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const regular = syscall.S_IFREG | 0o755

func vfsCap(revision uint32, permitted uint64, root uint32) []byte {
	b := make([]byte, 24)
	for i, w := range []uint32{revision<<24 | 1, uint32(permitted), 0, uint32(permitted >> 32), 0, root} {
		binary.LittleEndian.PutUint32(b[4*i:], w)
	}
	return b[:map[uint32]int{1: 12, 2: 20, 3: 24}[revision]]
}

func TestFileCapabilities(t *testing.T) {
	for name, tt := range map[string]struct {
		xattr []byte
		want  uint64
	}{
		"none":                      {nil, 0},
		"revision 1":                {vfsCap(1, 1<<7, 0), 1 << 7},
		"revision 2":                {vfsCap(2, 1<<7|1<<40, 0), 1<<7 | 1<<40},
		"revision 3, our root":      {vfsCap(3, 1<<6, 0), 1 << 6},
		"revision 3, somebody's":    {vfsCap(3, 1<<6, 1000), 0},
		"cut short":                 {vfsCap(2, 1<<7, 0)[:19], 0},
		"revision 2 with a root id": {append(vfsCap(2, 1<<7, 0), 0, 0, 0, 0), 0},
		"revision 9":                {[]byte{0, 0, 0, 9, 0, 0, 0, 0}, 0},
		"3 bytes":                   {[]byte{0, 0, 0}, 0},
	} {
		if got := parseCapabilities(tt.xattr); got != tt.want {
			t.Errorf("%s: %x, want %x", name, got, tt.want)
		}
	}
}

func TestFind(t *testing.T) {
	good := copyFacts{mode: regular | syscall.S_ISUID, executable: true}
	plain := copyFacts{mode: regular, executable: true}
	usersOwn := copyFacts{mode: regular | syscall.S_ISUID, owner: 65534, executable: true}
	noSUID := copyFacts{mode: regular | syscall.S_ISUID, executable: true, noSUID: true}
	hidden := copyFacts{mode: regular | syscall.S_ISUID}
	filecap := copyFacts{mode: regular, executable: true, permitted: 1 << 7}
	wrongCap := copyFacts{mode: regular, executable: true, permitted: 1 << 6}
	dir := copyFacts{mode: syscall.S_IFDIR | syscall.S_ISUID | 0o755, executable: true}
	for name, tt := range map[string]struct {
		copies map[string]copyFacts
		path   string
		reason Reason
		why    string
	}{
		"setuid root":         {map[string]copyFacts{"bin/newuidmap": good}, "bin/newuidmap", "", ""},
		"file capability":     {map[string]copyFacts{"bin/newuidmap": filecap}, "bin/newuidmap", "", ""},
		"skips a plain copy":  {map[string]copyFacts{"bin/newuidmap": plain, "bin2/newuidmap": good}, "bin2/newuidmap", "", ""},
		"skips a directory":   {map[string]copyFacts{"bin/newuidmap": dir, "bin2/newuidmap": good}, "bin2/newuidmap", "", ""},
		"skips nosuid":        {map[string]copyFacts{"bin/newuidmap": noSUID, "bin2/newuidmap": good}, "bin2/newuidmap", "", ""},
		"nothing":             {nil, "", NoHelper, "newuidmap is in none of "},
		"only newgidmap":      {map[string]copyFacts{"bin/newgidmap": good}, "", NoHelper, "newuidmap is in none of "},
		"plain":               {map[string]copyFacts{"bin/newuidmap": plain}, "", HelperNotPrivileged, "bin/newuidmap has mode 0755, owner 0 and no file capability"},
		"owner is not mapped": {map[string]copyFacts{"bin/newuidmap": usersOwn}, "", HelperNotPrivileged, "mode 4755, owner 65534"},
		"other capability":    {map[string]copyFacts{"bin/newuidmap": wrongCap}, "", HelperNotPrivileged, "no file capability"},
		"not for us":          {map[string]copyFacts{"bin/newuidmap": hidden}, "", HelperNotPrivileged, "may not be executed by you"},
		"nosuid":              {map[string]copyFacts{"bin/newuidmap": noSUID}, "", NoSUID, "bin/newuidmap is on a nosuid mount"},
		"nosuid, then plain":  {map[string]copyFacts{"bin/newuidmap": noSUID, "bin2/newuidmap": plain}, "", NoSUID, "bin2/newuidmap has mode 0755"},
	} {
		t.Run(name, func(t *testing.T) {
			h := fakeHost(t, nil)
			h.look = only(tt.copies)
			found, missing := h.find(UID)
			path := ""
			if found != nil {
				path = found.Path
			}
			if !strings.HasSuffix(path, tt.path) || (path == "") != (tt.path == "") {
				t.Errorf("found %q, want %q", path, tt.path)
			}
			if (missing == nil) != (tt.reason == "") {
				t.Fatalf("missing %v, want %q", missing, tt.reason)
			}
			if missing != nil && (missing.Reason != tt.reason || !strings.Contains(missing.Evidence, tt.why)) {
				t.Errorf("missing %v, want %s: %s", missing, tt.reason, tt.why)
			}
		})
	}
}

// The real look, at files that a test can make: none of them is privileged.
func TestLookAt(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "newuidmap"), "#!/bin/sh\n", 0o755)
	put(t, filepath.Join(dir, "newgidmap"), "#!/bin/sh\n", 0o644)
	f, err := lookAt(filepath.Join(dir, "newuidmap"))
	if err != nil || f.mode != regular || int(f.owner) != os.Getuid() || f.permitted != 0 {
		t.Errorf("got %+v, %v", f, err)
	}
	if f, err := lookAt(filepath.Join(dir, "newgidmap")); err != nil || f.executable {
		t.Errorf("got %+v, %v", f, err)
	}
	if _, err := lookAt(filepath.Join(dir, "none")); err == nil {
		t.Error("no error for a file that is not there")
	}
	_, missing := Host{Dirs: []string{dir}}.find(UID)
	if missing == nil || missing.Reason != HelperNotPrivileged {
		t.Errorf("missing %v", missing)
	}
}
