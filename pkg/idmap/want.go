package idmap

import (
	"fmt"
	"strings"
)

// The modes of --userns, by podman's names where it has them.
const (
	ModeAuto   = "auto"    // as many ids as there are, container root is the caller; "" is the same
	ModeSingle = "single"  // one id: the caller's
	ModeKeepID = "keep-id" // the caller keeps the id, the others are around it
	ModeHost   = "host"    // no user namespace
)

// Want is the wish. UID and GID are the caller's ids as seen inside, used by
// single and keep-id only; ParseWant fills them in with what the mode means when
// nothing else is said.
type Want struct {
	Mode     string
	UID, GID uint32
}

// ParseWant reads what --userns takes: a mode, and for keep-id and single
// optionally podman's ids, as in keep-id:uid=200,gid=210. Without them keep-id
// keeps the caller's ids and single has 0.
func ParseWant(s string, c Caller) (Want, error) {
	mode, options, has := strings.Cut(s, ":")
	w := Want{Mode: mode}
	switch mode {
	case "", ModeAuto, ModeHost:
		if has {
			return Want{}, fmt.Errorf("user namespace mode %q: %q takes no options", s, mode)
		}
	case ModeKeepID:
		w.UID, w.GID = c.UID, c.GID
	case ModeSingle:
	default:
		return Want{}, unknownMode(s)
	}
	if !has {
		return w, nil
	}
	for option := range strings.SplitSeq(options, ",") {
		if err := w.set(option); err != nil {
			return Want{}, fmt.Errorf("user namespace mode %q: %w", s, err)
		}
	}
	return w, nil
}

func (w *Want) set(option string) error {
	key, value, _ := strings.Cut(option, "=")
	field := map[string]*uint32{"uid": &w.UID, "gid": &w.GID}[key]
	if field == nil {
		return fmt.Errorf("option %q: want uid=N or gid=N", option)
	}
	n, err := number([]byte(value))
	if err != nil {
		return fmt.Errorf("option %q: %w", option, err)
	}
	if n == NoID {
		return fmt.Errorf("option %q: %d is not an id", option, n)
	}
	*field = n
	return nil
}

func unknownMode(s string) error {
	return fmt.Errorf("user namespace mode %q: want auto, single, keep-id, keep-id:uid=N,gid=N or host", s)
}
