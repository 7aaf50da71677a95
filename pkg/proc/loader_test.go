package proc

import (
	"os"
	"testing"
)

func TestNeedsLoader(t *testing.T) {
	for _, c := range []struct {
		vector [][2]uintptr
		want   bool
	}{
		{nil, false},
		{[][2]uintptr{{3, 0x400040}, {7, 0}}, false},
		{[][2]uintptr{{3, 0x400040}, {7, 0x7f0000000000}}, true},
	} {
		if got := hasLoader(c.vector); got != c.want {
			t.Errorf("%v: %v, want %v", c.vector, got, c.want)
		}
	}
	if len(ownVector()) == 0 {
		t.Errorf("%s was given no auxiliary vector, which the kernel gives to every program", os.Args[0])
	}
}
