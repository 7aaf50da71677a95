package spec

import (
	"strings"
	"testing"
)

func TestSources(t *testing.T) {
	w := Wish{
		Rootfs:  "./r",
		Volumes: []string{"/a:/b:ro", "./c", "named:/d", "/e:/f:O,upperdir=./u,workdir=./w"},
		Mounts:  []string{"type=tmpfs,dst=/t", "type=bind,source=/g,dst=/h", "type=bind,dst=/i"},
	}
	if got, want := strings.Join(w.sources(), " "), "./r /a ./c /e ./u /g"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
