package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sandbox/pkg/cgroup2"
	"sandbox/pkg/idmap"
	"sandbox/pkg/kernel"
	"sandbox/pkg/spec"
)

// fullConfig has every field that something looks at; what is refused as a whole comes in strange, a field at a time.
const fullConfig = `{"ociVersion": "1.3.0", "hostname": "h", "domainname": "d", "annotations": {"a.b": "c"}, "root": {"path": "rootfs", "readonly": true},
"process": {"terminal": false, "consoleSize": {"height": 24, "width": 80}, "user": {"uid": 0, "gid": 0, "umask": 18, "additionalGids": [1, 2]},
  "args": ["sh", "-c", "true"], "env": ["PATH=/bin", "A=b"], "cwd": "/", "noNewPrivileges": true, "oomScoreAdj": 5,
  "capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "inheritable": [], "permitted": ["CAP_KILL"], "ambient": []},
  "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}, {"type": "RLIMIT_CORE", "hard": 0, "soft": 0}]},
"mounts": [{"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]},
  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755", "size=64k", "tmpcopyup"]},
  {"destination": "/mnt", "type": "bind", "source": "rootfs", "options": ["rbind", "ro", "rslave", "rnosuid"]}],
"hooks": {"prestart": [{"path": "/bin/true", "args": ["a"], "env": ["B=c"], "timeout": 3}], "createRuntime": [{"path": "/bin/true"}],
  "createContainer": [{"path": "/bin/true"}], "startContainer": [{"path": "/bin/true"}], "poststart": [{"path": "/bin/true"}], "poststop": [{"path": "/bin/true"}]},
"linux": {"namespaces": [{"type": "user"}, {"type": "mount"}, {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "cgroup"}],
  "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}, {"containerID": 1, "hostID": 100000, "size": 65536}],
  "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}, {"containerID": 1, "hostID": 100000, "size": 65536}],
  "devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 438, "uid": 0, "gid": 0}],
  "sysctl": {"net.ipv4.ip_forward": "1", "kernel.msgmax": "8192"}, "maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"],
  "rootfsPropagation": "rprivate", "cgroupsPath": "/a/b",
  "resources": {"devices": [{"allow": false, "type": "a", "access": "rwm"}], "memory": {"limit": 1000000, "swap": -1}, "cpu": {"shares": 2, "quota": 3000, "period": 4000, "cpus": "0"},
    "pids": {"limit": 5}, "blockIO": {"weight": 100, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 100}]},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 1}], "network": {"classID": 1, "priorities": [{"name": "eth0", "priority": 1}]}, "rdma": {"x": {"hcaHandles": 1}}, "unified": {"memory.high": "max"}},
  "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "architectures": ["SCMP_ARCH_X86_64"], "flags": ["SECCOMP_FILTER_FLAG_LOG"],
    "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_EQ"}]}, {"names": ["execve"], "action": "SCMP_ACT_ALLOW"}]}}}`

// strange are the fields that stand alone, so that a mutation of one shows behind no refusal of another.
var strange = map[string]string{
	"process.scheduler":       `{"policy": "SCHED_FIFO", "nice": 0, "priority": 1, "flags": ["SCHED_FLAG_RESET_ON_FORK"], "runtime": 1, "deadline": 2, "period": 3}`,
	"process.ioPriority":      `{"class": "IOPRIO_CLASS_BE", "priority": 4}`,
	"process.execCPUAffinity": `{"initial": "0-1", "final": "0"}`,
	"process.apparmorProfile": `"p"`,
	"process.selinuxLabel":    `"a:b:c:s0"`,
	"linux.mountLabel":        `"a:b:c:s0"`,
	"linux.intelRdt":          `{"closID": "a", "schemata": ["MB:0=50"], "l3CacheSchema": "b", "memBwSchema": "c", "enableMonitoring": true}`,
	"linux.personality":       `{"domain": "LINUX32", "flags": ["x"]}`,
	"linux.timeOffsets":       `{"monotonic": {"secs": 1, "nanosecs": 2}}`,
	"linux.netDevices":        `{"eth0": {"name": "eth1"}}`,
	"linux.memoryPolicy":      `{"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}`,
}

// wrong are values that no field wants, or few. Strings beginning with "raw:" stand for JSON that encoding/json would not write.
var wrong = []any{
	nil, true, "", "a\x00b", "a\nb", "/../..", "raw:18446744073709551616", "raw:-9223372036854775809", "raw:1e400", "raw:-1", "raw:4294967295", "raw:1.5",
	[]any{}, map[string]any{}, []any{nil}, []any{"", "a\nb\x00"}, []any{map[string]any{}}, map[string]any{"": nil}, map[string]any{"a\nb": "c"},
	map[string]any{"../x": map[string]any{}}, strings.Repeat("x", 70000), "%s%n", "ünï\u2028", absent{}, twice{}, twin{},
}

type (
	absent struct{} // the field is not there
	twice  struct{} // the elements of an array are there again
	twin   struct{} // a key is there twice, with another value: JSON allows it, and the last one counts
)

// places are the paths of all values of a document, in a fixed order.
func places(v any, at []any) [][]any {
	list := [][]any{slices.Clone(at)}
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			list = append(list, places(v[k], append(slices.Clone(at), k))...)
		}
	case []any:
		for i := range v {
			list = append(list, places(v[i], append(slices.Clone(at), i))...)
		}
	}
	return list
}

// mutated is v with the value at the path replaced.
func mutated(v any, path []any, value any) any {
	if len(path) == 0 {
		if list, ok := v.([]any); ok && value == any(twice{}) {
			return append(slices.Clone(list), list...)
		}
		return value
	}
	switch v := v.(type) {
	case map[string]any:
		key := path[0].(string)
		if len(path) == 1 && value == any(absent{}) {
			delete(v, key)
		} else if len(path) == 1 && value == any(twin{}) {
			v[key+"\x00twin"] = []any{"twin"}
		} else {
			v[key] = mutated(v[key], path[1:], value)
		}
	case []any:
		v[path[0].(int)] = mutated(v[path[0].(int)], path[1:], value)
	}
	return v
}

// fresh is a copy of a wrong value, which a later mutation may write to: one that
// is used twice could else hold itself.
func fresh(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, e := range v {
			m[k] = fresh(e)
		}
		return m
	case []any:
		list := slices.Clone(v)
		for i := range list {
			list[i] = fresh(list[i])
		}
		return list
	}
	return v
}

// text is the document, with the values that are not Go's.
func text(t *testing.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	s := regexp.MustCompile(`"raw:([^"]*)"`).ReplaceAllString(string(b), "$1")
	return strings.NewReplacer(`\u0000twin"`, `"`, `{}`, `{}`).Replace(s)
}

func document(t testing.TB, s string) (v any) {
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// named is a field of the specification at the beginning of a message, or behind the name of the file.
var named = regexp.MustCompile(`^(.*/config\.json:(\d+:\d+:)? ?)?"?(ociVersion|process|root|mounts|hooks|linux|hostname|domainname|annotations)\b`)

// plans does all that a start does before its fork, and wants a plan or one line that names a field.
func plans(t *testing.T, bundle string, config string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(bundle, spec.ConfigName), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	err := planned(bundle)
	if spent := time.Since(begun); spent > 5*time.Second {
		t.Errorf("it took %v", spent)
	}
	if err == nil {
		return
	}
	words := err.Error()
	if strings.ContainsAny(words, "\n\x00") {
		t.Errorf("%.300s\nis refused in more than one line: %q", config, words)
	}
	if !named.MatchString(words) && !strings.Contains(words, "want object") {
		t.Errorf("the refusal names no field: %.300q", words)
	}
}

func planned(bundle string) error {
	s, err := spec.Load(bundle)
	if err != nil {
		return err
	}
	if err := spec.Validate(s, bundle); err != nil {
		return err
	}
	all := uint64(1)<<41 - 1
	groups := cgroup2.Host{Mount: filepath.Join(bundle, "none")} // whoever runs this may have no group
	r := &Runtime{Caller: idmap.Caller{UID: 1000, GID: 1000}, Self: kernel.Facts{UID: 1000, EUID: 1000, CapBnd: all}, Groups: groups, Warn: func(string) {}}
	p, _, err := r.Plan(Options{ID: "x", Bundle: bundle, Spec: s, Limits: BestEffort})
	if err == nil && len(p.Steps) == 0 {
		err = errors.New("an empty plan")
	}
	return err
}

func newBundle(t testing.TB) string {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "rootfs"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// configs are the documents that mutations begin with.
func configs(t testing.TB) map[string]string {
	list := map[string]string{"full": fullConfig}
	for field, value := range strange {
		parent, name, _ := strings.Cut(field, ".")
		v := document(t, fullConfig)
		v.(map[string]any)[parent].(map[string]any)[name] = document(t, value)
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		list[field] = string(b)
	}
	return list
}

// TestEveryFieldWrong puts every wrong value into every field of a configuration that is right.
func TestEveryFieldWrong(t *testing.T) {
	bundle := newBundle(t)
	if err := os.WriteFile(filepath.Join(bundle, spec.ConfigName), []byte(fullConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := planned(bundle); err != nil {
		t.Fatalf("the configuration to begin with: %v", err)
	}
	for name, config := range configs(t) {
		for _, path := range places(document(t, config), nil) {
			if at := fmt.Sprint(path...); len(path) == 0 || name != "full" && !strings.HasPrefix(at, strings.ReplaceAll(name, ".", "")) {
				continue
			}
			for _, value := range wrong {
				plans(t, bundle, text(t, mutated(document(t, config), path, value)))
			}
		}
	}
}

// FuzzConfig mutates any three places at once.
func FuzzConfig(f *testing.F) {
	all := configs(f)
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	bundle := newBundle(f)
	f.Add(uint8(0), uint16(3), uint8(1), uint16(40), uint8(5), uint16(80), uint8(9), "x")
	// An empty map put into itself by way of two mutations with the same value.
	f.Add(uint8(0), uint16(235), uint8(17), uint16(148), uint8(5), uint16(31), uint8(17), "0")
	f.Fuzz(func(t *testing.T, which uint8, a uint16, x uint8, b uint16, y uint8, c uint16, z uint8, word string) {
		v := document(t, all[names[int(which)%len(names)]])
		for _, m := range []struct {
			place uint16
			value uint8
		}{{a, x}, {b, y}, {c, z}} {
			list := places(v, nil)[1:]
			if len(list) == 0 {
				break
			}
			value := any(word)
			if n := int(m.value) % (len(wrong) + 4); n < len(wrong) {
				value = fresh(wrong[n])
			}
			v = mutated(v, list[int(m.place)%len(list)], value)
		}
		// A directory for each: fuzzing runs several processes, and each has its own TempDir, but not each call.
		plans(t, bundle, text(t, v))
	})
}
