package lifecycle

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"sandbox/pkg/handle"
	"sandbox/pkg/spec"
)

// encoded is a value as it is written down.
func encoded(t *testing.T, o any) string {
	t.Helper()
	b, err := spec.Encode(o)
	must(t, err)
	return string(b)
}

// TestSpecStays: a start does not write to the spec that it was given, nor to the complete one once that is written down.
func TestSpecStays(t *testing.T) {
	needUserns(t)
	r := newRuntime(t)
	sink := filepath.Join(t.TempDir(), "sink")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: sink}))
	for name, begin := range map[string]func(Options) (*Container, error){"create": r.Create, "run": r.Run} {
		o := treeOptions(t, r, "true")
		o.Paths, o.Notify, o.Network = handle.Set{}, sink, &Network{Mode: "none"}
		o.Spec.Hostname = "here"
		// Room to append in place.
		o.Spec.Mounts = append(o.Spec.Mounts, o.Spec.Mounts...)[:len(o.Spec.Mounts)]
		o.Spec.Process.Env = append(o.Spec.Process.Env, o.Spec.Process.Env...)[:len(o.Spec.Process.Env)]
		given, behind := encoded(t, o.Spec), encoded(t, o.Spec.Mounts[:cap(o.Spec.Mounts)])
		c, err := begin(o)
		must(t, err)
		if now := encoded(t, o.Spec); now != given {
			t.Errorf("%s: the given spec has become\n%s, was\n%s", name, now, given)
		}
		if encoded(t, o.Spec.Mounts[:cap(o.Spec.Mounts)]) != behind {
			t.Errorf("%s: the given list of mounts was written to", name)
		}
		d, rec, err := r.Root.Lock(c.ID)
		must(t, err)
		must(t, d.Recall(rec))
		c.Spec.Linux.Seccomp = nil // not written down
		if now, then := encoded(t, c.Spec), encoded(t, rec.Spec); now != then || now == given {
			t.Errorf("%s: the complete spec is\n%s, was written down as\n%s", name, now, then)
		}
		d.Close()
		must(t, r.Delete(c.ID, true))
		_, _ = c.Wait()
	}
}
