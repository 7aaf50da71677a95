package rootfs

import "fmt"

// Field is the field of the spec that a step of ours stands for, by its words;
// "" for none.
func (t *Tree) Field(act string) string {
	for _, m := range t.mounts {
		switch act {
		case fmt.Sprintf("mount %s on %s", m.fstype, m.dest), "attach " + m.dest, "remount " + m.dest, "make the link " + m.dest:
			return fmt.Sprintf("%s (%s)", m.field, m.spec.Destination)
		}
	}
	for i, d := range t.devices() {
		switch act {
		case "make device " + d.Path, "compare device " + d.Path + " with what is there":
			return fmt.Sprintf("linux.devices[%d]", i)
		}
	}
	return ""
}
