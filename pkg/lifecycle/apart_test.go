package lifecycle

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestSeesUs(t *testing.T) {
	for name, c := range map[string]struct {
		list []specs.LinuxNamespace
		sees bool
	}{
		"none":         {nil, true},
		"a new one":    {[]specs.LinuxNamespace{{Type: specs.PIDNamespace}}, false},
		"ours by path": {[]specs.LinuxNamespace{{Type: specs.NetworkNamespace}, {Type: specs.PIDNamespace, Path: "/proc/self/ns/pid"}}, true},
		"no such path": {[]specs.LinuxNamespace{{Type: specs.PIDNamespace, Path: "/nowhere"}}, false},
		"another's":    {[]specs.LinuxNamespace{{Type: specs.PIDNamespace, Path: "/proc/self/ns/uts"}}, false},
	} {
		if got := seesUs(&specs.Spec{Linux: &specs.Linux{Namespaces: c.list}}); got != c.sees {
			t.Errorf("%s: %v", name, got)
		}
	}
	if !seesUs(&specs.Spec{}) {
		t.Error("a spec that says nothing sees us")
	}
}
