package rootfs

import "fmt"

// Field is the field of the spec that a step of ours stands for, by its words;
// "" for none.
func (t *Tree) Field(act string) string {
	for _, m := range t.mounts {
		switch act {
		case fmt.Sprintf("mount %s on %s", m.fstype, m.dest), "attach " + m.dest, "remount " + m.dest,
			"let the tmpfs on " + m.dest + " begin with what is there", "make the link " + m.dest:
			return fmt.Sprintf("%s (%s)", m.field, m.spec.Destination)
		}
	}
	for i, d := range t.devices() {
		switch act {
		case "make device " + d.Path, "compare device " + d.Path + " with what is there":
			return fmt.Sprintf("linux.devices[%d]", i)
		}
	}
	if l := t.spec.Linux; l != nil {
		for i, path := range l.MaskedPaths {
			if act == "mask "+path {
				return fmt.Sprintf("linux.maskedPaths[%d]", i)
			}
		}
		for i, path := range l.ReadonlyPaths {
			if act == "make "+path+" read-only" {
				return fmt.Sprintf("linux.readonlyPaths[%d]", i)
			}
		}
	}
	return ""
}
