package plan

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// sample uses every kind of step once.
func sample() *Plan {
	p := New()
	instead, done := p.Label("bind"), p.Label("done")
	p.Act("mount proc on %s", "/proc")
	tree := p.Reg("proc")
	fs := p.Fsopen("proc").On(unix.EPERM, instead).To("context")
	p.FsString(fs, "hidepid", "2")
	p.FsFlag(fs, "ro")
	p.FsCreate(fs).On(unix.EPERM, instead).On(unix.EBUSY, instead)
	p.Fsmount(fs, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC).Into(tree)
	p.Goto(done)
	p.Here(instead)
	p.CloneTree(Cwd(), "/proc", true).Into(tree)
	p.SetAttr(tree, unix.MOUNT_ATTR_RDONLY, unix.MOUNT_ATTR_NOSUID, unix.MS_PRIVATE, true)
	p.Note("proc.bound")
	p.Here(done)
	p.MoveMount(tree, p.OpenInRoot(fs, "proc", unix.O_PATH|unix.O_DIRECTORY).To("place"))
	p.Act("say who is there")
	p.Gate("ready")
	word := Words(0)
	p.Put(word, 0, tree)
	p.Expect(word, 0, 0xff, 3, unix.EINVAL).Ignore()
	p.Report(tree)
	p.Fork(unix.CLONE_NEWPID, done)
	p.Do("write", unix.SYS_WRITE, Parent(), M(word).At(2), C(2)).IfZero(done)
	p.Act("exec")
	p.Do("execve", unix.SYS_EXECVE, S("/bin/true"), M(CStrings([]string{"true", "a b"})), M(CStrings(nil)))
	return p
}

func TestPrint(t *testing.T) {
	var got bytes.Buffer
	if err := sample().Print(&got); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/sample.txt"
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("differs from %s (go test -update writes it):\n%s", file, got.Bytes())
	}
}

func TestJSON(t *testing.T) {
	b, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	var lines []Line
	if err := json.Unmarshal(b, &lines); err != nil || len(lines) != len(sample().Steps) {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	if l := lines[0]; l.Act != "mount proc on /proc" || l.On["EPERM"] != "step 6" {
		t.Errorf("first line %+v", l)
	}
}

// TestInsert checks that labels keep their steps.
func TestInsert(t *testing.T) {
	p, q := sample(), New()
	q.Act("stop")
	q.Prctl(unix.PR_SET_DUMPABLE)
	target := p.Steps[6]
	p.Insert(3, q)
	if got := p.Target(p.Steps[0].Handlers[0].To, 0); p.Steps[got] != target {
		t.Errorf("the label moved to step %d", got)
	}
	if p.Steps[3] != q.Steps[0] {
		t.Error("not inserted")
	}
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", what)
		}
	}()
	f()
}

func TestMistakes(t *testing.T) {
	mustPanic(t, "label never placed", func() {
		p := New()
		p.Goto(p.Label("nowhere"))
		p.Lines()
	})
	mustPanic(t, "label placed twice", func() {
		p := New()
		l := p.Label("twice")
		p.Here(l)
		p.Here(l)
	})
	mustPanic(t, "seven arguments", func() { New().Do("x", 0, C(0), C(0), C(0), C(0), C(0), C(0), C(0)) })
}
