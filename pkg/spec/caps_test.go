package spec

import (
	"fmt"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestManyUnknownCapabilities: what nobody has is told once, and in a time that grows with the list.
func TestManyUnknownCapabilities(t *testing.T) {
	list := make([]string, 600000)
	for i := range list {
		list[i] = fmt.Sprintf("CAP_X%d", i/2)
	}
	begin := time.Now()
	if got := UnknownCapabilities(&specs.LinuxCapabilities{Bounding: list, Effective: list}); len(got) != len(list)/2 {
		t.Errorf("%d names", len(got))
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
