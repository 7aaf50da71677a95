package spec

import (
	"cmp"
	"strings"
)

// typedCovers are paths of the host's tree that flags cover: a command that moves what one lies in away would be seen by the
// next start as it is.
func (b *builder) typedCovers() (list []string) {
	if !b.wish.Tree {
		return nil
	}
	for _, o := range b.wish.SecurityOpt {
		if strings.HasPrefix(o, "mask=") || strings.HasPrefix(o, "mask:") {
			list = append(list, strings.Split(o[len("mask="):], ":")...)
		}
	}
	for _, t := range b.wish.Tmpfs {
		path, _, _ := strings.Cut(t, ":")
		list = append(list, path)
	}
	for _, v := range b.wish.Volumes {
		if vol, err := parseVolume(v); err == nil {
			list = append(list, cmp.Or(vol.destination, vol.source))
		}
	}
	for _, m := range b.wish.Mounts {
		list = append(list, mountPoints(m)...)
	}
	for i := range list {
		list[i] = b.abs(list[i])
	}
	return list
}

// mountPoints is where a value of --mount says that it is to be.
func mountPoints(value string) (list []string) {
	for word := range strings.SplitSeq(value, ",") {
		if key, path, _ := strings.Cut(word, "="); oneOf(key, "dst destination target") {
			list = append(list, path)
		}
	}
	return list
}
