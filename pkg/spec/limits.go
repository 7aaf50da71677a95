package spec

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// limits: without --ulimit every limit is inherited. Podman raises nofile and nproc instead, which needs
// CAP_SYS_RESOURCE and is refused to ordinary users.
func (b *builder) limits() error {
	for _, v := range splitAll(b.wish.Ulimits) {
		if v == "host" {
			continue // "copy the current configuration": what is inherited
		}
		limit, err := parseUlimit(v)
		if err != nil {
			return fmt.Errorf("--ulimit %q: %w", v, err)
		}
		b.spec.Process.Rlimits = setLimit(b.spec.Process.Rlimits, limit)
	}
	return nil
}

// setLimit: of a limit given twice the last counts.
func setLimit(limits []specs.POSIXRlimit, limit specs.POSIXRlimit) []specs.POSIXRlimit {
	for i := range limits {
		if limits[i].Type == limit.Type {
			limits[i] = limit
			return limits
		}
	}
	return append(limits, limit)
}

// parseUlimit reads NAME=SOFT[:HARD]; units are those of setrlimit(2); -1 is no limit.
func parseUlimit(v string) (specs.POSIXRlimit, error) {
	name, value, ok := strings.Cut(v, "=")
	if !ok {
		return specs.POSIXRlimit{}, fmt.Errorf("want NAME=SOFT[:HARD] or host")
	}
	name = strings.TrimPrefix(strings.ToLower(name), "rlimit_")
	if !knownRlimit(name) {
		return specs.POSIXRlimit{}, fmt.Errorf("invalid ulimit type %q, want one of %s", name, strings.TrimSpace(rlimitNames))
	}
	r := specs.POSIXRlimit{Type: "RLIMIT_" + strings.ToUpper(name)}
	var err error
	r.Soft, r.Hard, err = parseLimits(value)
	return r, err
}

// parseLimits is for SOFT[:HARD].
func parseLimits(value string) (soft, hard uint64, err error) {
	softText, hardText, hasHard := strings.Cut(value, ":")
	if soft, err = parseLimit(softText); err != nil || !hasHard {
		return soft, soft, err
	}
	if hard, err = parseLimit(hardText); err == nil && soft > hard {
		err = fmt.Errorf("the soft limit must not be above the hard limit: %s > %s", softText, hardText)
	}
	return soft, hard, err
}

func parseLimit(s string) (uint64, error) {
	if s == "-1" || s == "unlimited" {
		return ^uint64(0), nil // RLIM_INFINITY
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a limit, want a whole number or -1 for no limit", s)
	}
	return n, nil
}
