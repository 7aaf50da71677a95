package worktree

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// entryOf is an entry of an index of version 2 or 3.
func entryOf(path string, mode uint32, flags, extended uint16) []byte {
	var b bytes.Buffer
	numbers := [10]uint32{6: mode}
	_ = binary.Write(&b, binary.BigEndian, numbers)
	b.Write(make([]byte, 20))
	_ = binary.Write(&b, binary.BigEndian, flags|uint16(len(path)))
	if flags&0x4000 != 0 {
		_ = binary.Write(&b, binary.BigEndian, extended)
	}
	b.WriteString(path)
	b.Write(make([]byte, 8-b.Len()%8))
	return b.Bytes()
}

func indexOf(version uint32, rest []byte, entries ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte("DIRC"), version)
	b = binary.BigEndian.AppendUint32(b, uint32(len(entries)))
	b = append(append(b, bytes.Join(entries, nil)...), rest...)
	return append(b, make([]byte, 20)...)
}

// TestCheckIndex: an index that leads git into its own directory is told from one that git makes, in every version.
func TestCheckIndex(t *testing.T) {
	good := entryOf("a", 0o100644, 0, 0)
	for _, path := range []string{
		".git/hooks/post-checkout", "sub/.git/config", ".GIT/config", "a/.Git", "../up", "/root", "a//b", "a/./b", "..",
		"git~1/config", ".git /config", ".git./config", ".git::$INDEX_ALLOCATION/config", `.git\config`, ".g\u200cit/config",
	} {
		if err := checkIndex(indexOf(2, nil, entryOf(path, 0o100755, 0x8000, 0), good), 20); err == nil || !strings.HasPrefix(err.Error(), "has the path ") {
			t.Errorf("%q: %v", path, err)
		}
		if err := checkIndex(indexOf(3, nil, entryOf(path, 0o100755, 0xc000, 0x2000), good), 20); err == nil || !strings.HasPrefix(err.Error(), "has the path ") {
			t.Errorf("version 3, %q: %v", path, err)
		}
	}
	for _, path := range []string{"", "a", ".gitignore", ".github/x", "x.git/config", "git/hooks/x", "a/b.c", ".gitmodules", "github~1", "..a/b", "ü/.x", strings.Repeat("l/", 2047) + "x"} {
		flags := uint16(0)
		e := entryOf(path, 0o100644, flags, 0)
		if len(path) >= 0xfff {
			binary.BigEndian.PutUint16(e[60:], 0xfff)
		}
		if err := checkIndex(indexOf(2, nil, e, good), 20); err != nil {
			t.Errorf("%.40q: %v", path, err)
		}
	}
	if err := checkIndex(indexOf(3, nil, entryOf("dir/", 0o040000, 0x4000, 0x4000)), 20); err != nil {
		t.Errorf("a directory of a sparse index: %v", err)
	}
	short := entryOf(".git/config", 0o100644, 0, 0)
	binary.BigEndian.PutUint16(short[60:], 4) // git reads so many characters
	cut := append(good[:len(good):len(good)], short[:40]...)
	ieot := append([]byte("IEOT\x00\x00\x00\x0c\x00\x00\x00\x01"), 0, 0, 0, 99, 0, 0, 0, 1)
	eoie := append(append([]byte("EOIE\x00\x00\x00\x18"), 0, 0, 0, 99), make([]byte, 20)...)
	four := func(strip byte, path string) []byte {
		e := entryOf(path, 0o100755, 0, 0)[:62]
		return append(append(append(e, strip), path...), 0)
	}
	second := four(0, ".git/hooks/x") // a thread that begins here knows of no "a" before
	binary.BigEndian.PutUint16(second[60:], uint16(len("a.git/hooks/x")))
	blocks := append([]byte("IEOT\x00\x00\x00\x14\x00\x00\x00\x01"), 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 12+65, 0, 0, 0, 1)
	few := append([]byte("IEOT\x00\x00\x00\x0c\x00\x00\x00\x01"), 0, 0, 0, 12, 0, 0, 0, 9)
	for name, index := range map[string][]byte{
		"a block begins in the midst of a path": indexOf(4, blocks, four(0, "a"), second), "blocks have more entries": indexOf(2, few, good),
		"an entry that nothing shows": indexOf(3, nil, entryOf(".envrc", 0o100644, 0xc000, 0x2000)), "a path of 5000 characters": indexOf(2, nil, entryOf(strings.Repeat("x", 4094)+"/"+strings.Repeat("y", 900), 0o100644, 0, 0)),
		"the length of a path is another": indexOf(2, nil, short), "an entry is cut": indexOf(2, nil, cut)[:80], "no index": []byte("DIRC"), "another version": indexOf(9, nil, good),
		"more entries than it has": indexOf(2, nil)[:12:12], "a block begins elsewhere": indexOf(2, ieot, good), "the entries end elsewhere": indexOf(2, eoie, good),
		"an extended entry in version 2": indexOf(2, nil, entryOf("a", 0o100644, 0x4000, 0)),
	} {
		if name == "more entries than it has" {
			index = append(binary.BigEndian.AppendUint32([]byte("DIRC\x00\x00\x00\x02"), 7), make([]byte, 40)...)
		}
		if err := checkIndex(index, 20); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
}

// TestIndexOfGit: what git makes is taken, in each of its ways.
func TestIndexOfGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	for _, format := range []string{"sha1", "sha256"} {
		dir := t.TempDir()
		git := func(args ...string) {
			t.Helper()
			cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b"}, args...)...)
			cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("git %q: %v: %s", args, err, out)
			}
		}
		git("init", "-q", "--object-format="+format)
		for _, name := range []string{"a", "b/c", "b/d", "b/d2", "x y", "ü"} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		git("add", ".")
		git("commit", "-qm", "x")
		hash := map[string]int{"sha1": 20, "sha256": 32}[format]
		for _, change := range [][]string{{"status"}, {"update-index", "--index-version=4"}, {"update-index", "--assume-unchanged", "a"}, {"update-index", "--index-version=3"}, {"rm", "-q", "--cached", "b/d"}, {"add", "-N", "b/d"}, {"-c", "index.threads=2", "update-index", "--force-write-index"}, {"update-index", "--split-index"}, {"update-index", "--untracked-cache"}} {
			git(change...)
			files, _ := filepath.Glob(filepath.Join(dir, ".git", "*index*"))
			for _, file := range files {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if err := checkIndex(data, hash); err != nil {
					t.Errorf("%s, after git %q, %s: %v", format, change, filepath.Base(file), err)
				}
			}
		}
	}
}

func FuzzIndex(f *testing.F) {
	f.Add(indexOf(2, nil, entryOf("a", 0o100644, 0, 0)))
	f.Add(indexOf(4, nil, entryOf("a", 0o100644, 0, 0)))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = checkIndex(data, 20)
		_ = checkIndex(data, 32)
	})
}
