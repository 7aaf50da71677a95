package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// write makes files below a directory.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func id(c string) string { return strings.Repeat(c, 64) }

// caller has a store of its own in a folder.
func caller(t *testing.T) (Caller, string) {
	dir := t.TempDir()
	env := map[string]string{"CONTAINERS_STORAGE_CONF": filepath.Join(dir, "storage.conf"), "CONTAINERS_REGISTRIES_CONF": filepath.Join(dir, "registries.conf"), "HOME": dir}
	write(t, dir, map[string]string{
		"storage.conf":    "[storage]\ndriver = \"overlay\"\ngraphroot = \"" + dir + "/graph\"\n",
		"registries.conf": "unqualified-search-registries = [\"quay.io\", \"docker.io\"]\n[aliases]\n\"short\" = \"example.com/long/short\"\n[[registry]]\nprefix = \"example.com/long\"\nblocked = true\n[[registry]]\nlocation = \"example.com\"\ninsecure = true\n",
	})
	return Caller{UID: uint32(os.Geteuid()), Home: dir, Env: func(name string) string { return env[name] }}, dir
}

func images(t *testing.T, dir string, list ...Image) {
	t.Helper()
	data, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"graph/overlay-images/images.json": string(data)})
}

func TestFind(t *testing.T) {
	c, dir := caller(t)
	images(t, dir,
		Image{ID: id("a"), Names: []string{"docker.io/library/alpine:latest", "localhost/mine:1"}, Digest: "sha256:" + id("0")},
		Image{ID: id("b"), Names: []string{"quay.io/x/tool:2"}, Digests: map[string]string{"manifest-x": "sha256:" + id("9")}},
		Image{ID: "b" + id("c")[1:], Names: []string{"example.com/long/short:latest"}},
		Image{ID: "../../etc", Names: []string{"localhost/evil:latest"}})
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"alpine": "a", "docker.io/alpine": "a", "docker.io/library/alpine:latest": "a", "mine:1": "a", "localhost/mine:1": "a", "docker://alpine": "a",
		"x/tool:2": "b", "quay.io/x/tool:2": "b", "quay.io/x/tool@sha256:" + id("9"): "b", "tool:2": "b", "short": "bc", id("a")[:5]: "a", "sha256:" + id("a"): "a",
	} {
		i, err := s.Find(name)
		if err != nil || !strings.HasPrefix(i.ID, want[:1]) || len(want) > 1 && i.ID[1:2] != want[1:] {
			t.Errorf("%s: %+v, %v; want %s", name, i, err, want)
		}
	}
	for _, name := range []string{"alpine:3", "mine", "nosuch", "evil", "quay.io/x/tool@sha256:" + id("8"), "x/tool"} {
		if i, err := s.Find(name); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %+v, %v", name, i, err)
		}
	}
	var many *Ambiguous
	if _, err := s.Find("b"); !errors.As(err, &many) || len(many.IDs) != 2 {
		t.Errorf("b: %v", err)
	}
}

func TestRegistries(t *testing.T) {
	c, _ := caller(t)
	r, err := c.Registries()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"a": {"quay.io/a:latest", "docker.io/library/a:latest"}, "a/b:1": {"quay.io/a/b:1", "docker.io/a/b:1"}, "short:7": {"example.com/long/short:7"},
	} {
		if got := r.Remote(name); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{"example.com/long/x:1": "example.com/long", "example.com/longer": "example.com", "example.com:5000/x": "", "example.community/x": ""} {
		got := ""
		if reg := r.Of(name); reg != nil {
			got = reg.Prefix
		}
		if got != want && !(want == "" && got == "example.com") {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	wild := Registry{Prefix: "*.example.com"}
	if !wild.holds("a.example.com/x") || wild.holds("example.com/x") || wild.holds("example.com.evil/x") {
		t.Error("*.example.com")
	}
}

// TestConfiguration: the files of podman before 6, and those since.
func TestConfiguration(t *testing.T) {
	host, home := t.TempDir(), t.TempDir()
	env := map[string]string{}
	c := Caller{UID: 4242, Home: home, Env: func(name string) string { return env[name] }, hostRoot: host}
	at := func(what string) {
		t.Helper()
		conf, err := c.configuration()
		if err != nil || conf.graph != what {
			t.Errorf("%q, %v; want %q", conf.graph, err, what)
		}
	}
	at(home + "/.local/share/containers/storage")
	write(t, host, map[string]string{"usr/share/containers/storage.conf": "[storage]\ngraphroot = \"/nonexistent/root\"\n"})
	if os.Geteuid() != 0 { // who owns that file then
		t.Log("the system's graphroot counts, for the file is ours")
	}
	env["XDG_DATA_HOME"] = home + "/data"
	write(t, host, map[string]string{"usr/share/containers/storage.conf": "[storage]\ndriver = \"vfs\"\nrootless_storage_path = \"$HOME/old/$UID\"\n"})
	env["HOME"] = home
	at(home + "/old/4242")
	write(t, home, map[string]string{".config/containers/storage.conf": "[storage]\ngraphroot = \"$HOME/own\"\n[storage.options]\nadditionalimagestores = [\"/ro\"]\n"})
	at(home + "/own")
	write(t, host, map[string]string{"etc/containers/storage.rootless.conf.d/5.conf": "[storage]\ngraphroot = \"" + home + "/five\"\n", "etc/containers/storage.rootful.conf.d/9.conf": "[storage]\ngraphroot = \"/never\"\n"})
	write(t, home, map[string]string{"five/x": ""})
	at(home + "/five")
	write(t, home, map[string]string{".config/containers/storage.conf.d/5.conf": "[storage]\ndriver = \"overlay2\"\n"})
	conf, err := c.configuration()
	if err != nil || conf.graph != home+"/own" || conf.driver != "overlay" || !slices.Equal(conf.others, []string{"/ro"}) {
		t.Errorf("%+v, %v: a drop-in of that name counts once", conf, err)
	}
	env["CONTAINERS_STORAGE_CONF"] = home + "/none"
	if _, err := c.configuration(); err == nil {
		t.Error("a file that was named and is not there")
	}
	env["CONTAINERS_STORAGE_CONF"] = home + "/bad"
	write(t, home, map[string]string{"bad": "[storage"})
	if _, err := c.configuration(); err == nil || !strings.Contains(err.Error(), home+"/bad") {
		t.Errorf("no TOML: %v", err)
	}
}

// find opens a caller's store and an image in it.
func find(t *testing.T, c Caller, name string) (*Store, *Image) {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	i, err := s.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return s, i
}

func TestLayers(t *testing.T) {
	c, dir := caller(t)
	g := dir + "/graph/overlay/"
	write(t, g, map[string]string{id("1") + "/diff/x": "", id("2") + "/diff/x": "", id("1") + "/link": "AAA1", id("2") + "/link": "BBB2", id("2") + "/lower": "l/AAA1"})
	if err := errors.Join(os.Mkdir(g+"l", 0o755), os.Symlink("../"+id("1")+"/diff", g+"l/AAA1"), os.Symlink("../"+id("2")+"/diff", g+"l/BBB2")); err != nil {
		t.Fatal(err)
	}
	images(t, dir, Image{ID: id("a"), Names: []string{"localhost/a:latest"}, Top: id("2")})
	s, i := find(t, c, "a")
	l, err := i.Layers(s)
	if err != nil || !slices.Equal(l.Dirs, []string{g + "l/BBB2", g + "l/AAA1"}) {
		t.Errorf("%+v, %v", l, err)
	}
	for _, lower := range []string{"l/../../x", "/etc", "l/NONE", "l/EVIL", ""} {
		_ = os.Symlink("../../../../etc", g+"l/EVIL")
		write(t, g, map[string]string{id("2") + "/lower": lower})
		if l, err := i.Layers(s); (err == nil) != (lower == "") {
			t.Errorf("lower %q: %+v, %v", lower, l, err)
		}
	}
	i.Top = "../x"
	if l, err := i.Layers(s); err == nil {
		t.Errorf("%+v", l)
	}
}

func TestConfig(t *testing.T) {
	c, dir := caller(t)
	key := "sha256:" + id("a")
	images(t, dir, Image{ID: id("a"), Names: []string{"localhost/a:latest"}, Data: []string{key}})
	write(t, dir, map[string]string{"graph/overlay-images/" + id("a") + "/" + fileName(key): `{"os":"linux","config":{"Env":["A=1","SECRET","*","=x","B=","C=\u0000"],"Cmd":["x"]}}`})
	_, i := find(t, c, "a")
	conf, err := i.Config()
	if err != nil || !slices.Equal(conf.Config.Env, []string{"A=1", "B="}) || conf.Config.Cmd[0] != "x" {
		t.Errorf("%+v, %v", conf, err)
	}
	if err := os.Truncate(filepath.Join(dir, "graph/overlay-images", id("a"), fileName(key)), maxConfig+1); err != nil {
		t.Fatal(err)
	}
	if _, err := i.Config(); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("%v", err)
	}
}

// TestHold: a container is written down beside what others wrote, and theirs stays as it is.
func TestHold(t *testing.T) {
	c, dir := caller(t)
	images(t, dir, Image{ID: id("a"), Names: []string{"localhost/a:latest"}})
	others := `{"id":"x","flags":{"Volatile":true},"unknown":[1,2]}`
	write(t, dir, map[string]string{"graph/overlay-images/" + id("a") + "/=x": "", "graph/overlay-containers/containers.json": "[" + others + "]"})
	s, i := find(t, c, "a")
	list := func() (all []map[string]any) {
		data, err := os.ReadFile(dir + "/graph/overlay-containers/containers.json")
		if err == nil {
			err = json.Unmarshal(data, &all)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), others) {
			t.Errorf("what others wrote is %s", data)
		}
		return all
	}
	if err := s.Hold(i, "one", ""); err != nil {
		t.Fatal(err)
	}
	if all := list(); len(all) != 2 || all[1]["image"] != i.ID || all[1]["layer"] == i.Top {
		t.Errorf("written down: %v", all)
	}
	if was, err := s.LetGo("two"); was || err != nil {
		t.Errorf("another one: %v, %v", was, err)
	}
	if was, err := s.LetGo("one"); !was || err != nil || len(list()) != 1 {
		t.Errorf("let go: %v, %v", was, err)
	}
	// of five, two have a layer that is there, and one may have it on another machine
	for name, room := range map[string]string{"there": "", "gone": "", "aside": dir + "/sandbox@layers", "left": dir + "/sandbox@layers", "far": dir + "/far"} {
		if err := s.Hold(i, name, room); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir, map[string]string{"graph/sandbox/there/of": "", "sandbox@layers/aside/of": ""})
	file := dir + "/graph/overlay-containers/containers.json"
	data, err := os.ReadFile(file)
	if err == nil { // another boot
		data = bytes.Replace(data, []byte(`"{\"room\":\"`+dir+`/far\",\"boot\":\"`), []byte(`"{\"room\":\"`+dir+`/far\",\"boot\":\"x`), 1)
		err = os.WriteFile(file, data, 0o600)
	}
	if err = errors.Join(err, s.LetGoLost()); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range list()[1:] {
		names = append(names, c["names"].([]any)[0].(string))
	}
	if slices.Sort(names); !slices.Equal(names, []string{"sandbox-aside", "sandbox-far", "sandbox-there"}) {
		t.Errorf("held: %v", names)
	}
	if err := os.RemoveAll(dir + "/graph/overlay-images/" + id("a")); err != nil {
		t.Fatal(err)
	}
	if err := s.Hold(i, "three", ""); !errors.Is(err, ErrUnknown) || len(list()) != 4 {
		t.Errorf("an image that is gone: %v", err)
	}
}

// TestView: what overlayfs would show, and nothing outside of the layers.
func TestView(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"3/etc/new": "3", "2/etc/passwd": "2", "2/opaque/two": "", "1/etc/passwd": "1", "1/etc/group": "1", "1/opaque/one": "", "1/gone/x": "", "1/was/x": "", "3/was": "file", "1/deep/er/f": "f", "outside": "KEY"})
	up := filepath.Join(dir, "2")
	if err := errors.Join(unix.Mknod(up+"/gone", unix.S_IFCHR, 0), unix.Mknod(up+"/etc/group", unix.S_IFCHR, 0), unix.Mkfifo(up+"/fifo", 0o600),
		os.Symlink("/etc", up+"/abs"), os.Symlink("../../../../outside", up+"/up"), os.Symlink("loop", up+"/loop"), os.Symlink("deep/er", up+"/rel"), os.Symlink(dir+"/outside", up+"/host")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(up+"/opaque", "user.overlay.opaque", []byte("y"), 0); err != nil {
		t.Skip("user attributes cannot be set here:", err)
	}
	v, err := NewView([]string{dir + "/3", dir + "/2", dir + "/1"})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for path, want := range map[string]string{"/etc/passwd": "2", "/etc/new": "3", "/was": "file", "/abs/passwd": "2", "/abs/../etc/new": "3", "/rel/f": "f", "/rel/../er/f": "f", "/../../etc/passwd": "2"} {
		fd, err := v.Open(path, unix.O_RDONLY)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		var buf [64]byte
		n, _ := unix.Read(fd, buf[:])
		unix.Close(fd)
		if string(buf[:n]) != want {
			t.Errorf("%s: %q, want %q", path, buf[:n], want)
		}
	}
	for path, want := range map[string]error{
		"/etc/group": unix.ENOENT, "/gone": unix.ENOENT, "/gone/x": unix.ENOENT, "/opaque/one": unix.ENOENT, "/up": unix.ENOENT, "/host": unix.ENOENT, "/loop": unix.ELOOP,
		"/was/x": unix.ENOTDIR, "/fifo": unix.ENXIO, "/etc/passwd/x": unix.ENOTDIR,
	} {
		if fd, err := v.Open(path, unix.O_RDONLY); !errors.Is(err, want) {
			t.Errorf("%s: %d, %v, want %v", path, fd, err, want)
		}
	}
	if v.Empty("/etc") || v.Empty("/opaque") || !v.Empty("/none") || v.Empty("/deep") {
		t.Error("what is empty")
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"config":{"Env":["A=b","C"],"Volumes":{"/x":{}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Config
		if json.Unmarshal(data, &c) != nil {
			return
		}
		for _, e := range variables(c.Config.Env) {
			if name, _, ok := strings.Cut(e, "="); !ok || name == "" || strings.Contains(e, "\x00") {
				t.Errorf("%q is no variable", e)
			}
		}
	})
}

func FuzzCandidates(f *testing.F) {
	for _, name := range []string{"alpine", "a/b:c", "x.y/z@sha256:0", ":", "/", "a:b/c"} {
		f.Add(name)
	}
	r := &Registries{Search: []string{"docker.io"}, Aliases: map[string]string{"a": "b/c"}}
	f.Fuzz(func(t *testing.T, name string) {
		for _, c := range r.Candidates(name) {
			if !strings.ContainsAny(c, ":@") {
				t.Errorf("%q: %q has no tag", name, c)
			}
		}
		_ = repoOf(name)
	})
}
