package lifecycle

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"sandbox/pkg/plan"
)

// TestMaskOfWhatIsGone removes a file when a start has opened it, and before it is masked.
func TestMaskOfWhatIsGone(t *testing.T) {
	needUserns(t)
	r := newRuntime(t)
	root := t.TempDir()
	file := filepath.Join(root, "gone")
	for _, dir := range []string{"proc", "dev", "sys", "usr"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := treeOptions(t, r, "true")
	o.Spec.Root = &specs.Root{Path: root}
	o.Spec.Mounts = []specs.Mount{{Destination: "/usr", Source: "/usr", Options: []string{"rbind"}}}
	for _, lib := range []string{"/lib", "/lib64", "/bin"} {
		o.Spec.Mounts = append(o.Spec.Mounts, specs.Mount{Destination: lib, Source: lib, Options: []string{"rbind"}})
	}
	o.Spec.Linux.MaskedPaths, o.Spec.Linux.ReadonlyPaths = []string{"/gone"}, nil
	o.Spec.Process.Cwd = "/"
	found := false
	r.Rewrite = func(p *plan.Plan) {
		for i, s := range p.Steps {
			if s.Act == "mask /gone" && s.Name == "move_mount" {
				remove := plan.New()
				remove.Act("remove it")
				remove.Do("unlinkat", unix.SYS_UNLINKAT, plan.Cwd(), plan.S(file), plan.C(0))
				p.Insert(i, remove)
				found = true
				return
			}
		}
	}
	c, err := r.Run(o)
	if err != nil || !found {
		t.Fatal(found, err)
	}
	if status, err := c.Wait(); status != 0 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
	if _, err := os.Lstat(file); err == nil {
		t.Error("it is there")
	}
	r.Remove(c)
}
