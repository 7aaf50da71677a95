package spec

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// fuzzText runs a parser over arbitrary text. A parser must not panic, and an error must be one line;
// except about a flag with a line break in it, which oneLine refuses before any parser sees it.
func fuzzText(f *testing.F, isFile bool, seeds []string, parse func(t *testing.T, in string) error) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		err := parse(t, in)
		if err != nil && strings.Contains(err.Error(), "\n") && (isFile || !strings.Contains(in, "\n")) {
			t.Errorf("%q: more than one line: %q", in, err)
		}
	})
}

func FuzzEnvFile(f *testing.F) {
	fuzzText(f, true, []string{"", "A=1\n#x\n B*\nC", "=\n", "A=\x00", "a b=c\r\n"}, func(t *testing.T, in string) error {
		env, err := parseEnvFile([]byte(in), []string{"A=1", "B=2", "=", "x"})
		if err == nil {
			if err := checkEnv(&specs.Process{Env: env}); err != nil {
				t.Errorf("%q: accepted, but %v", in, err)
			}
		}
		return err
	})
}

func FuzzVolume(f *testing.F) {
	fuzzText(f, false, []string{"/a:/b:ro", ".", "a:/b", "/a:/b:O,upperdir=/u,workdir=/w", "/a:/b:ro,rw", ":::", "/a:/b:z,U"}, func(t *testing.T, in string) error {
		v, err := parseVolume(in)
		if err == nil && v.destination != "" {
			if err := absolute("d", v.destination); err != nil && !strings.Contains(err.Error(), "longer") {
				t.Errorf("%q: accepted, but %v", in, err)
			}
		}
		return err
	})
}

func FuzzMount(f *testing.F) {
	fuzzText(f, false, []string{"type=bind,src=/a,dst=/b,ro", "type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=700", "type=overlay,src=/a,dst=/b,upperdir=/u,workdir=/w",
		"type=devpts,dst=/x", "type=bind,r,ro=1,=,dst=/\n"}, func(t *testing.T, in string) error {
		w, err := parseMount(in)
		if err == nil {
			if err := absolute("d", w.destination); err != nil && !strings.Contains(err.Error(), "longer") {
				t.Errorf("%q: accepted, but %v", in, err)
			}
		}
		return err
	})
}

func FuzzTmpfs(f *testing.F) {
	fuzzText(f, false, []string{"/x", "/x:size=1m,mode=700,uid=1,ro", "x", "/x:,,", "/x:size=%"}, func(t *testing.T, in string) error {
		_, words, err := parseTmpfs(in)
		if err == nil {
			for _, w := range words {
				if strings.IndexByte(w, 0) >= 0 {
					t.Errorf("%q: NUL byte accepted", in)
				}
			}
		}
		return err
	})
}

func FuzzUlimit(f *testing.F) {
	fuzzText(f, false, []string{"nofile=1:2", "core=-1", "nofile=", "x=1", "rlimit_as=18446744073709551615"}, func(t *testing.T, in string) error {
		l, err := parseUlimit(in)
		if err == nil {
			if err := checkRlimits(&specs.Process{Rlimits: []specs.POSIXRlimit{l}}); err != nil {
				t.Errorf("%q: accepted, but %v", in, err)
			}
		}
		return err
	})
}

func FuzzDevice(f *testing.F) {
	fuzzText(f, false, []string{"/dev/null", "/a:/b:rwm", "/a:r", "/a:b", ":::", "/a:/../x"}, func(t *testing.T, in string) error {
		_, dst, _, err := parseDevice(in)
		if err == nil && (dst[0] != '/' || strings.Contains(dst, "/../")) {
			t.Errorf("%q: destination %q", in, dst)
		}
		return err
	})
}

// FuzzAccounts: nothing in a passwd or group file makes an id that is none, or a name with a NUL.
func FuzzAccounts(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/srv:\n", "web")
	f.Add("x:x:4294967295:0::/:\n::::::\n#\nbad", "4294967295")
	f.Add("log:x:4:web,a\n+::::\n", "4")
	f.Add("a:b:99999999999:-1:::", "-1")
	f.Fuzz(func(t *testing.T, file, who string) {
		if a, ok := findAccount([]byte(file), who); ok && (a.uid == ^uint32(0) || a.gid == ^uint32(0) || strings.Contains(a.home, "\x00")) {
			t.Errorf("%q in %q: %+v", who, file, a)
		}
		if g, ok := findGroup([]byte(file), who); ok && g == ^uint32(0) {
			t.Errorf("%q in %q: group %d", who, file, g)
		}
		for _, g := range memberships([]byte(file), who) {
			if g == ^uint32(0) {
				t.Errorf("%q in %q: group %d", who, file, g)
			}
		}
	})
}

func FuzzProfile(f *testing.F) {
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"EPERM","archMap":[{}],"syscalls":[{"name":"a","action":"b","includes":{"minKernel":"5"}}]}`))
	f.Add([]byte(`{"defaultAction":"A","syscalls":[{"names":[],"excludes":{"minKernel":"5.1"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := parseProfile("p", data, []string{"CAP_KILL"}); err == nil && p.DefaultAction == "" {
			t.Error("a profile without a default action")
		}
	})
}
