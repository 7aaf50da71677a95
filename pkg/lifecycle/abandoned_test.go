package lifecycle

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sandbox/pkg/proc"
	"sandbox/pkg/state"
)

// TestAbandoned: a layer is judged where its container's directory would be seen, and is nobody's where that has it no more.
func TestAbandoned(t *testing.T) {
	dir := t.TempDir()
	there, other, none := filepath.Join(dir, "there"), filepath.Join(dir, "other"), filepath.Join(dir, "none")
	for path, text := range map[string]string{there: `{"name":"kept","image":"i"}`, other: `{"name":"successor","image":"i"}`} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(text, filepath.Join(path, state.LayerLink)); err != nil {
			t.Fatal(err)
		}
	}
	for name, o := range map[string]string{
		"kept":     `{"boot":"` + proc.Boot() + `","place":"` + ownPlace() + `","dir":"` + there + `"}`,
		"replaced": `{"boot":"` + proc.Boot() + `","place":"` + ownPlace() + `","dir":"` + other + `"}`,
		"gone":     `{"boot":"` + proc.Boot() + `","place":"` + ownPlace() + `","dir":"` + none + `"}`,
		"rebooted": `{"boot":"x","place":"mnt:[1]","dir":"` + none + `"}`,
		"inside":   `{"boot":"` + proc.Boot() + `","place":"mnt:[1]","dir":"` + none + `"}`,
		"unknown":  `{"boot":"","place":"","dir":"` + none + `"}`,
		"odd":      `x`,
	} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(o, filepath.Join(dir, name, LayerSign)); err != nil {
			t.Fatal(err)
		}
	}
	r := &Runtime{Layers: func() string { return dir }}
	names, err := r.Abandoned()
	if want := []string{"gone", "rebooted", "replaced"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%v, %v; want %v", names, err, want)
	}
}
