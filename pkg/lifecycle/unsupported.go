package lifecycle

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// unsupported refuses what this version does not do, by the name of the field.
// A container that ran without would be something else than what was asked
// for.
func unsupported(s *specs.Spec) error {
	l := s.Linux
	if l == nil {
		return nil
	}
	for _, f := range []struct {
		field string
		asked bool
	}{
		{"linux.mountLabel", l.MountLabel != ""},
		{"linux.timeOffsets", len(l.TimeOffsets) > 0},
	} {
		if f.asked {
			return fmt.Errorf("%s: not supported by this version", f.field)
		}
	}
	return nil
}
