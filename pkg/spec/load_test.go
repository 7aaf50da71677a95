package spec

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func bundleWith(t testing.TB, config string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ConfigName), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLoadRefuses(t *testing.T) {
	tests := map[string]struct{ config, want string }{
		"empty":           {"", "is empty"},
		"white space":     {" \n\t", "is empty"},
		"not JSON":        {"ociVersion: 1.0.0\n", "config.json:1:1: unexpected 'o', want a value"},
		"wrong type":      {`{"process":{"args":3}}`, "config.json:1:20: process.args: cannot be number, want array of strings"},
		"cut off":         {`{"ociVersion":"1.0.0","process":{`, "ends too early"},
		"trailing":        {`{"ociVersion":"1.0.0"}}`, "more text after the end"},
		"10 MiB":          {strings.Repeat(" ", 10<<20), "config.json is too large: it has 10485760 bytes, at most 8388608 are read"},
		"no version":      {`{}`, "ociVersion: missing"},
		"null":            {`null`, "ociVersion: missing"},
		"version 0":       {`{"ociVersion":"0.9.0"}`, `ociVersion: "0.9.0" is not supported`},
		"version 2":       {`{"ociVersion":"2.0.0"}`, `ociVersion: "2.0.0" is not supported`},
		"version garbage": {`{"ociVersion":"one"}`, `ociVersion: "one" is not a version`},
		"version 1":       {`{"ociVersion":"1"}`, `"1" is not a version`},
		"version +1":      {`{"ociVersion":"+1.0.0"}`, `not a version`},
		"version 01":      {`{"ociVersion":"01.0.0"}`, `not a version`},
		"version 1.-1.0":  {`{"ociVersion":"1.-1.0"}`, `not a version`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(bundleWith(t, tt.config))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q in it", err, tt.want)
			}
		})
	}
}

func TestLoadVersions(t *testing.T) {
	for _, v := range []string{"1.0.0", "1.0.2-dev", "1.3.0", "1.99.7", "1.0.0-rc5", "1.2.0+dev"} {
		if _, err := Load(bundleWith(t, `{"ociVersion":"`+v+`"}`)); err != nil {
			t.Errorf("version %s: %v", v, err)
		}
	}
}

func TestLoadMissing(t *testing.T) {
	_, err := Load(t.TempDir())
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "config.json is missing") || !strings.Contains(err.Error(), "sandbox spec") {
		t.Errorf("error %v, want what is missing and how to make it", err)
	}
}

// A FIFO without a writer would hang an ordinary open for ever.
func TestLoadNotRegular(t *testing.T) {
	tests := map[string]func(path string) error{
		"a FIFO":      func(p string) error { return unix.Mkfifo(p, 0o600) },
		"a directory": func(p string) error { return os.Mkdir(p, 0o700) },
		"a device":    func(p string) error { return os.Symlink("/dev/zero", p) },
	}
	for want, create := range tests {
		t.Run(want, func(t *testing.T) {
			dir := t.TempDir()
			if err := create(filepath.Join(dir, ConfigName)); err != nil {
				t.Fatal(err)
			}
			done := inBackground(func() error { _, err := Load(dir); return err })
			select {
			case err := <-done:
				if err == nil || !strings.Contains(err.Error(), want+", want a regular file") {
					t.Errorf("error %v, want %q", err, want)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("Load hangs")
			}
		})
	}
}

func inBackground(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

func TestSettle(t *testing.T) {
	s, err := Load(bundleWith(t, `{"ociVersion":"1.0.0","process":{"env":["A=1","B=1","A=2","C","C"]},"mounts":[{"destination":"tmp/x"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"A=2", "B=1", "C", "C"}; !reflect.DeepEqual(s.Process.Env, want) {
		t.Errorf("env %q, want %q", s.Process.Env, want)
	}
	if s.Mounts[0].Destination != "/tmp/x" {
		t.Errorf("destination %q, want it from the root", s.Mounts[0].Destination)
	}
}

func TestSettleVersions(t *testing.T) {
	for in, want := range map[string][2]int64{ // umask, limit
		`{"ociVersion":"1.0.2-dev","process":{},"linux":{"resources":{"pids":{"limit":0}}}}`:                {0o22, 0},
		`{"ociVersion":"1.2.1","process":{},"linux":{"resources":{"pids":{"limit":0}}}}`:                    {0o22, 0},
		`{"ociVersion":"1.3.0","process":{},"linux":{"resources":{"pids":{"limit":0}}}}`:                    {0o22, 1},
		`{"ociVersion":"1.3.0","process":{"user":{"umask":0}},"linux":{"resources":{"pids":{"limit":-1}}}}`: {0, -1},
	} {
		s, err := Load(bundleWith(t, in))
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]int64{int64(*s.Process.User.Umask), *s.Linux.Resources.Pids.Limit}; got != want {
			t.Errorf("%s: %d, want %d", in, got, want)
		}
	}
}

func TestLoadProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "process.json")
	if err := os.WriteFile(file, []byte(`{"args":["sh"],"env":["A=1","A=2"],"cwd":"/","user":{"uid":1}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := LoadProcess(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := (&specs.Process{Args: []string{"sh"}, Env: []string{"A=2"}, Cwd: "/", User: specs.User{UID: 1}}); !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, want %+v", p, want)
	}
	if _, err := LoadProcess(file + ".none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want that it does not exist", err)
	}
}

func TestValidID(t *testing.T) {
	for _, id := range []string{"a", "A-b_c.d+1", "...", "..a", strings.Repeat("x", 1024)} {
		if err := ValidID(id); err != nil {
			t.Errorf("%.20q: %v", id, err)
		}
	}
	for _, id := range []string{"", ".", "..", "../x", "a/b", "a b", "a\x00", "ä", "a\n", strings.Repeat("x", 1025)} {
		if err := ValidID(id); err == nil || !strings.Contains(err.Error(), "invalid container ID format") {
			t.Errorf("%.20q: error %v", id, err)
		}
	}
}

// FuzzLoad: whatever a bundle says, loading and checking it ends with an answer.
func FuzzLoad(f *testing.F) {
	for _, in := range decodeSeeds(f) {
		f.Add([]byte(in))
	}
	f.Add([]byte(`{"ociVersion":"1.0.0","process":{"args":["a"],"cwd":"/"},"root":{"path":"."},"linux":{"namespaces":[{"type":"mount"}]}}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		s := new(specs.Spec)
		if Decode(data, s) != nil {
			return
		}
		Settle(s)
		if err := Validate(s, dir); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("more than one line: %q", err)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	data, err := indented(Default())
	if err != nil {
		b.Fatal(err)
	}
	dir := bundleWith(b, string(data))
	for b.Loop() {
		if _, err := Load(dir); err != nil {
			b.Fatal(err)
		}
	}
}
